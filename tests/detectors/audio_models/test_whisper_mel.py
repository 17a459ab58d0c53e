"""Whisper's picture, held against the library whose encoders look at it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import WhisperFeatureExtractor

from detectors.audio_models.whisper_mel import whisper_log_mel


@pytest.mark.parametrize("bands", [80, 128])
def test_a_padded_clip_gives_the_picture_of_the_reference_extractor(bands: int) -> None:
    """Both sizes of Whisper: the same numbers as transformers' own extractor."""
    samples = np.random.default_rng(3).normal(0, 0.1, 16_000).astype(np.float32)
    extractor = WhisperFeatureExtractor(feature_size=bands)
    wanted = extractor(samples, sampling_rate=16_000, return_tensors="np")["input_features"][0]
    padded = np.zeros(480_000, np.float32)
    padded[: len(samples)] = samples
    found = whisper_log_mel(torch.from_numpy(padded), bands=bands).numpy()
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= 1e-5
