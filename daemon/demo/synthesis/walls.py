"""What a wall does to the sounds of the next room: it keeps the tail and swallows what is high."""

from __future__ import annotations

import numpy as np

from daemon.demo.synthesis.signal import Floats, band, convolved, noise, samples, times


def through_a_wall(
    rng: np.random.Generator, sound: Floats, *, reverberation_s: float, highest_hz: float
) -> Floats:
    """Return the sound as diffuse as it comes through, as long as before and with its peak where it was."""
    count = samples(reverberation_s)
    at = times(count)
    decay = np.exp(-6.908 * at / reverberation_s) * np.minimum(at / 0.02, 1.0)
    heard = convolved(sound, noise(rng, count, band(120, highest_hz, 1)) * decay)[: len(sound)]
    peak = float(np.max(np.abs(sound)))
    return heard * (peak / max(float(np.max(np.abs(heard))), 1e-9))
