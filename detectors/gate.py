"""Is anything there? Decides, hop by hop, whether the encoder has something to do.

A gate that opens too often costs time, one that stays shut loses a sound, so every doubt opens it. It looks
at two views of the audio: as it is, and differenced, which takes away the rumble of engines, wind and ducts
under which a knock or a snap would not show. In each view the level of the hop is held against a floor that
follows the quietest of late: it falls within a second and rises over the better part of a minute, so that an
alarm does not become its own background while somebody might still want to hear of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp

import numpy as np

from detectors.levels import SILENCE_MEAN_SQUARE
from detectors.types import HOP_S, HOP_SAMPLES, Hop, Samples

FRAMES_PER_HOP = 8
FRAME_SAMPLES = HOP_SAMPLES // FRAMES_PER_HOP
"""10 ms: the attack of a snap or a knock falls into one such frame."""

FULL_SCALE_DBFS = 0.0

FRAMES_BEFORE = 3
"""A frame is abrupt against the loudest of this many before it, so that one gap in a hum is not an onset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """The defaults lose under 1 % of events as loud as their background; the levels are in decibels."""

    always_open: bool = False
    margin_db: float = 5.0
    """Opens when a hop is this far above the floor."""
    peak_margin_db: float = 12.0
    """Opens when one frame of 10 ms is this far above the floor."""
    abrupt_db: float = 9.0
    """An onset: a frame this far above those before it."""
    lowest_dbfs: float = -75.0
    """Below this nothing opens, and the floor does not fall: a preamplifier's hiss, digital silence."""
    starting_floor_dbfs: float = -50.0
    """A stream starts as if in a room this quiet, so that what already sounds is heard."""
    rise_s: float = 45.0
    """Time constant of the floor towards a louder level: 12 dB above it open for 40 s, 30 dB for 80 s."""
    fall_s: float = 1.0
    """Time constant of the floor towards a quieter level."""
    hold_s: float = 2.0
    """Stays open this long after the last reason to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What the gate remembers of one stream. The pairs are for the two views, plain and differenced."""

    floors_dbfs: tuple[float, float] | None = None
    """None before the first hop."""
    hold_hops: int = 0
    last_sample: float = 0.0
    frames_before_dbfs: tuple[tuple[float, ...], tuple[float, ...]] = (
        (FULL_SCALE_DBFS,) * FRAMES_BEFORE,
        (FULL_SCALE_DBFS,) * FRAMES_BEFORE,
    )
    """Before the first hop as loud as can be: that a stream starts is not an onset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReading:
    """What the gate made of one hop."""

    open: bool
    level_dbfs: float
    noise_floor_dbfs: float
    """As it was before this hop."""
    onset_sample: int | None
    """Absolute index, at DETECTION_RATE_HZ, of the 10 ms in which something abrupt began."""


def step(state: GateState, hop: Hop, settings: GateSettings) -> tuple[GateState, GateReading]:
    """Take one hop into account. Hops come in order."""
    levels, frames = _views(hop.samples, state.last_sample)
    floors = state.floors_dbfs or _starting_floors(levels, settings)
    onset_frame = _abrupt_frame(frames, state.frames_before_dbfs, settings)
    reason = (
        onset_frame is not None
        or any(
            _stands_out(level, floor + settings.margin_db, settings)
            for level, floor in zip(levels, floors, strict=True)
        )
        or any(
            _stands_out(max(view), floor + settings.peak_margin_db, settings)
            for view, floor in zip(frames, floors, strict=True)
        )
    )
    hold_hops = round(settings.hold_s / HOP_S) if reason else max(0, state.hold_hops - 1)
    reading = GateReading(
        open=settings.always_open or reason or state.hold_hops > 0,
        level_dbfs=levels[0],
        noise_floor_dbfs=floors[0],
        onset_sample=None if onset_frame is None else hop.index * HOP_SAMPLES + onset_frame * FRAME_SAMPLES,
    )
    after = GateState(
        floors_dbfs=(_follow(floors[0], levels[0], settings), _follow(floors[1], levels[1], settings)),
        hold_hops=hold_hops,
        last_sample=float(hop.samples[-1]),
        frames_before_dbfs=(tuple(frames[0][-FRAMES_BEFORE:]), tuple(frames[1][-FRAMES_BEFORE:])),
    )
    return after, reading


def _views(samples: Samples, last_sample: float) -> tuple[tuple[float, float], list[list[float]]]:
    """Return the level of the hop and of each of its frames, plain and differenced."""
    both = np.empty((2, FRAMES_PER_HOP, FRAME_SAMPLES), np.float32)
    plain, differenced = both.reshape(2, HOP_SAMPLES)
    plain[:] = samples
    np.subtract(samples[1:], samples[:-1], out=differenced[1:])
    differenced[0] = samples[0] - np.float32(last_sample)
    powers = np.empty((2, FRAMES_PER_HOP + 1))
    powers[:, :-1] = np.einsum("vfs,vfs->vf", both, both)
    powers[:, :-1] /= FRAME_SAMPLES
    powers[:, -1] = powers[:, :-1].mean(axis=1)
    plain_dbfs, differenced_dbfs = (10.0 * np.log10(np.maximum(powers, SILENCE_MEAN_SQUARE))).tolist()
    return (plain_dbfs.pop(), differenced_dbfs.pop()), [plain_dbfs, differenced_dbfs]


def _starting_floors(levels: tuple[float, float], settings: GateSettings) -> tuple[float, float]:
    plain, differenced = (
        max(settings.lowest_dbfs, min(level, settings.starting_floor_dbfs)) for level in levels
    )
    return plain, differenced


def _stands_out(level_dbfs: float, above_dbfs: float, settings: GateSettings) -> bool:
    return level_dbfs > above_dbfs and level_dbfs > settings.lowest_dbfs


def _abrupt_frame(
    frames: list[list[float]],
    before: tuple[tuple[float, ...], tuple[float, ...]],
    settings: GateSettings,
) -> int | None:
    """Return the first frame, in either view, that stands abruptly above the ones before it."""
    first: int | None = None
    for view, earlier in zip(frames, before, strict=True):
        levels = (*earlier, *view)
        for at, level in enumerate(view[:first]):
            if _stands_out(level, max(levels[at : at + FRAMES_BEFORE]) + settings.abrupt_db, settings):
                first = at
                break
    return first


def _follow(floor_dbfs: float, level_dbfs: float, settings: GateSettings) -> float:
    """Return the floor one hop later."""
    distance_db = level_dbfs - floor_dbfs
    share = _share_per_hop(settings.rise_s if distance_db > 0.0 else settings.fall_s)
    return max(settings.lowest_dbfs, floor_dbfs + share * distance_db)


@lru_cache
def _share_per_hop(time_constant_s: float) -> float:
    return 1.0 - exp(-HOP_S / time_constant_s)
