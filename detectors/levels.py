"""How loud audio is, in decibels below full scale."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectors.types import Samples

SILENCE_DBFS = -120.0
"""What digital silence counts as: below every microphone's own noise, and finite."""

SILENCE_MEAN_SQUARE = 10.0 ** (SILENCE_DBFS / 10.0)


def rms_dbfs(samples: Samples) -> float:
    """Return the level of a piece of audio: 0 for a square wave at full scale, at least SILENCE_DBFS."""
    flat = samples.ravel()
    mean_square = float(np.dot(flat, flat)) / max(1, flat.size)
    return 10.0 * log10(max(mean_square, SILENCE_MEAN_SQUARE))
