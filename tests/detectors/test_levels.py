from __future__ import annotations

import numpy as np
import pytest

from detectors.levels import SILENCE_DBFS, rms_dbfs


def test_full_scale_is_zero() -> None:
    """A square wave at full scale reads 0 dBFS, a sine 3 dB less."""
    time_s = np.arange(16_000) / 16_000
    sine = np.sin(2 * np.pi * 1_000 * time_s).astype(np.float32)
    assert rms_dbfs(np.ones(100, np.float32)) == pytest.approx(0.0)
    assert rms_dbfs(sine) == pytest.approx(-3.01, abs=0.01)


def test_silence_has_a_level() -> None:
    """Digital silence and no audio at all read the lowest level, not minus infinity."""
    assert rms_dbfs(np.zeros(100, np.float32)) == SILENCE_DBFS
    assert rms_dbfs(np.zeros(0, np.float32)) == SILENCE_DBFS
