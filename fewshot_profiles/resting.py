"""What a detector makes of the bank: its rest, and how far each row would stand out of a stream's past."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.contrast import along
from fewshot_profiles.bank import BLOCK_HOPS, BackgroundBank
from fewshot_profiles.profile import Rest

_LEAST_SPREAD = 1e-6


def rest_of(logits: NDArray[np.float32], bank: BackgroundBank) -> Rest:
    """Measure a head at rest by its logits for the rows of the bank."""
    ambient = logits[bank.ambient]
    return Rest(mean=float(ambient.mean()), spread=max(float(ambient.std()), _LEAST_SPREAD))


def standing_out(logits: NDArray[np.float32], rest: Rest, bank: BackgroundBank) -> NDArray[np.float32]:
    """Return the logits for the rows of the bank as a stream of each recording would bring them out.

    Sounds that were chosen for being hard come out of the quiet.
    """
    mean, spread = np.float32(rest.mean), np.float32(rest.spread)
    ambient = bank.ambient
    result = logits.copy()
    heights = along((logits[ambient] - mean) / spread, bank.recording[ambient], BLOCK_HOPS)
    result[ambient] = heights * spread + mean
    return result
