"""The log-mel front end."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.dsp import (
    MEL_HOP_SAMPLES,
    MEL_OVERLAP_SAMPLES,
    N_MELS,
    log_mel,
    mel_bank,
)
from detectors.types import DETECTION_RATE_HZ


def test_every_frequency_between_the_edges_reaches_some_band() -> None:
    """No tone can hide between two triangles."""
    covered = mel_bank().sum(1)
    hz = np.arange(covered.size) * DETECTION_RATE_HZ / 512
    assert covered[(hz > 80) & (hz < 7_800)].min() > 0.5


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    """A 1 kHz tone peaks in the band whose triangle holds 1 kHz."""
    t = np.arange(MEL_OVERLAP_SAMPLES + 10 * MEL_HOP_SAMPLES) / DETECTION_RATE_HZ
    picture = log_mel((0.1 * np.sin(2 * np.pi * 1_000 * t)).astype(np.float32))
    expected = mel_bank()[round(1_000 / DETECTION_RATE_HZ * 512)].argmax()
    assert picture.shape == (10, N_MELS)
    assert set(picture.argmax(1)) == {expected}


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_pieces_with_their_overlap_give_the_frames_of_the_whole(first: int, seed: int) -> None:
    """Cutting the audio anywhere between frames changes no number."""
    frames = 16
    audio = (
        np.random.default_rng(seed)
        .standard_normal(MEL_OVERLAP_SAMPLES + frames * MEL_HOP_SAMPLES)
        .astype(np.float32)
    )
    cut = first * MEL_HOP_SAMPLES
    pieces = np.concatenate((log_mel(audio[: MEL_OVERLAP_SAMPLES + cut]), log_mel(audio[cut:])))
    np.testing.assert_allclose(pieces, log_mel(audio), atol=1e-6)  # BLAS sums in its own order


def test_silence_is_finite() -> None:
    """Digital silence reads as the floor, not as minus infinity."""
    assert np.isfinite(log_mel(np.zeros(MEL_OVERLAP_SAMPLES + MEL_HOP_SAMPLES, np.float32))).all()
