"""Clips at the rate that a model wants."""

from __future__ import annotations

import numpy as np
import soxr

from detectors.audio_models import Clip
from detectors.types import Samples


def samples_at(clip: Clip, rate_hz: int) -> Samples:
    """Return a clip's samples at `rate_hz`."""
    if clip.rate_hz == rate_hz:
        return clip.samples
    resampled: Samples = soxr.resample(clip.samples, clip.rate_hz, rate_hz, quality="HQ").astype(np.float32)
    return resampled
