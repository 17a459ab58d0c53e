"""The room and the microphone between a sound and the daemon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.demo.synthesis.signal import (
    RATE_HZ,
    Floats,
    band,
    convolved,
    geometric,
    noise,
    resonant,
    samples,
    shaped,
    tilt,
    times,
    uniform,
)
from detectors.types import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A furnished room with a small microphone somewhere in it."""

    reverberation_s: float
    """The time in which the tail falls by 60 dB."""
    tail_level: float
    """Energy of the tail against the direct sound, as an amplitude."""
    reflections: int
    bright_hz: float
    """Where walls and air begin to swallow the tail."""
    low_hz: float
    high_hz: float
    """The microphone's range."""
    floor_dbfs: float
    """The room's own noise."""


def draw_room(rng: np.random.Generator) -> Room:
    """Choose a room: living rooms and kitchens, not halls."""
    return Room(
        reverberation_s=uniform(rng, 0.25, 0.5),
        tail_level=uniform(rng, 0.15, 0.35),
        reflections=int(rng.integers(3, 8)),
        bright_hz=geometric(rng, 3_500, 7_000),
        low_hz=uniform(rng, 50, 110),
        high_hz=geometric(rng, 12_000, 18_000),
        floor_dbfs=uniform(rng, -62.0, -57.0),
    )


def placed(rng: np.random.Generator, room: Room, sound: Samples, peak_dbfs: float) -> Samples:
    """Return the sound as the microphone takes it from some place in the room, with its tail."""
    heard = convolved(sound.astype(np.float64), _response(rng, room))
    heard = shaped(heard, band(room.low_hz, room.high_hz))
    peak = float(np.max(np.abs(heard)))
    return np.asarray(heard / peak * 10 ** (peak_dbfs / 20), dtype=np.float32)


def room_noise(rng: np.random.Generator, room: Room, count: int) -> Floats:
    """Return what the microphone gives while nothing sounds."""
    hiss = noise(rng, count, tilt(-4), band(room.low_hz, room.high_hz))
    return hiss * 10 ** (room.floor_dbfs / 20)


def _response(rng: np.random.Generator, room: Room) -> Floats:
    count = samples(room.reverberation_s)
    at = times(count)
    tail = noise(rng, count, band(120, room.bright_hz, 1), resonant((500, 6_000, 1.0)))
    tail *= np.exp(-6.908 * at / room.reverberation_s) * np.minimum(at / 0.012, 1.0)
    tail *= room.tail_level / max(float(np.sqrt(np.sum(tail**2))), 1e-9)
    tail[0] = 1.0
    for _ in range(room.reflections):
        delay_s = uniform(rng, 0.0015, 0.03)
        tail[int(delay_s * RATE_HZ)] += (
            float(rng.choice((-1.0, 1.0))) * uniform(rng, 0.05, 0.3) * np.exp(-delay_s / 0.02)
        )
    return tail
