"""What a second of sound costs: the bookkeeping, not the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import encoder_cost
from benchmarks.dataset import read_recordings
from benchmarks.encoder_cost import streams_of
from detectors.types import HOP_SAMPLES

if TYPE_CHECKING:
    from pathlib import Path


def test_streams_differ_and_short_clips_go_round(tiny_data: Path) -> None:
    """One-second clips fill two seconds."""
    audio = streams_of(read_recordings(tiny_data), streams=5, hops=25)
    assert audio.shape == (25, 5, HOP_SAMPLES)
    assert len(np.unique(audio[0], axis=0)) == 5


def test_every_encoder_is_held_against_the_first(tiny_data: Path, tmp_path: Path) -> None:
    """The baseline against itself: about the same, and exactly so for the first."""
    options = "--encoder log_mel --streams 4 --seconds 0.4 --rounds 2"
    result = encoder_cost.main([*options.split(), "--data", str(tiny_data), "--results", str(tmp_path)])
    assert result["costs"]["log_mel"]["against_first"] == 1.0
    assert result["costs"]["log_mel"]["median_ms"] >= result["costs"]["log_mel"]["best_ms"] > 0.0
    assert result["environment"]["cores_of_others"] >= 0.0
