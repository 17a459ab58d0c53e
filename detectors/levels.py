"""How loud audio is, in decibels below full scale."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.types import Samples

SILENCE_DBFS = -120.0
"""What digital silence counts as: below every microphone's own noise, and finite."""

SILENCE_MEAN_SQUARE = 10.0 ** (SILENCE_DBFS / 10.0)


def mean_square_to_dbfs(mean_square: float) -> float:
    """Return the level of a signal of this power: 0 for a full-scale square wave, at least SILENCE_DBFS."""
    return 10.0 * log10(max(mean_square, SILENCE_MEAN_SQUARE))


def mean_square(samples: Samples) -> float:
    """Return the power of a piece of audio; 0 for an empty one."""
    flat = samples.ravel()
    return float(np.dot(flat, flat)) / flat.size if flat.size else 0.0


def rms_dbfs(samples: Samples) -> float:
    """Return the level of a piece of audio, at least SILENCE_DBFS."""
    return mean_square_to_dbfs(mean_square(samples))


def frame_mean_squares(samples: Samples, frames: int) -> NDArray[np.float32]:
    """Return the power of each of `frames` equal parts, float32 [frames]; their mean is the power of all."""
    parts = samples.reshape(frames, -1)
    powers: NDArray[np.float32] = np.einsum("ij,ij->i", parts, parts) / np.float32(parts.shape[1])
    return powers
