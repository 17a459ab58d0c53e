"""Where the sound is inside an example: recordings start late, end early, and hold several tries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ, Samples

FRAME_SAMPLES = 160
"""10 ms: a finger snap is six of these."""

AUDIBLE_DBFS = -66.0
"""A recording whose loudest 10 ms stay below this holds nothing that could be learnt."""

_DEAD_DBFS = -90.0  # digital silence and dither: padding, not a room
# A recording is one steady sound when it moves less than this, or little and is loud for much of the time.
_STEADY_RANGE_DB = 12.0
_UNSTEADY_RANGE_DB = 20.0
_LOUD_BELOW_PEAK_DB = 10.0
_LOUD_SHARE = 0.25
_ABOVE_FLOOR_DB = 9.0
_BELOW_PEAK_DB = 30.0
_MERGE_GAP_FRAMES = 25  # a cough has two bursts, a bark an echo: 250 ms belong together
_ROOM_PERCENTILE = 30.0
_OUT_OF_THE_ROOM_DB = 10.0
_APART_FRAMES = 50  # the two tones of a bell are one sound, two rings of it are two
_FAINT_REGION_DB = 18.0  # a region this far below the loudest one is a rustle beside the sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One stretch of sound, in samples at DETECTION_RATE_HZ."""

    start: int
    end: int
    peak_dbfs: float

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return (self.end - self.start) / DETECTION_RATE_HZ


def active_regions(audio: Samples) -> tuple[Region, ...]:
    """Find the stretches of sound in mono audio [n] at DETECTION_RATE_HZ, in order; silence has none."""
    levels = _frame_levels(audio)
    if levels.size == 0 or levels.max() < AUDIBLE_DBFS:
        return ()
    return tuple(
        Region(
            start=int(first) * FRAME_SAMPLES,
            end=min(int(last) * FRAME_SAMPLES, len(audio)),
            peak_dbfs=float(levels[first:last].max()),
        )
        for first, last in _runs(levels > _threshold_dbfs(levels))
        if levels[first:last].max() >= levels.max() - _FAINT_REGION_DB
    )


def separate_stretches(audio: Samples) -> tuple[Region, ...]:
    """Find what stands out of a minute of a room, in order: other sounds than the one that is wanted, too.

    Where nothing stands out and it is not silent, all of it is one steady sound.
    """
    levels = _frame_levels(audio)
    if levels.size == 0 or levels.max() < AUDIBLE_DBFS:
        return ()
    alive = levels[levels > _DEAD_DBFS]
    over = max(float(np.percentile(alive, _ROOM_PERCENTILE)) + _OUT_OF_THE_ROOM_DB, AUDIBLE_DBFS)
    runs = _runs(levels > over, _APART_FRAMES) or [(0, len(levels))]
    return tuple(
        Region(
            start=int(first) * FRAME_SAMPLES,
            end=min(int(last) * FRAME_SAMPLES, len(audio)),
            peak_dbfs=float(levels[first:last].max()),
        )
        for first, last in runs
    )


def _frame_levels(audio: Samples) -> NDArray[np.float64]:
    padded = np.pad(audio, (0, -len(audio) % FRAME_SAMPLES)).astype(np.float64)
    power = np.square(padded.reshape(-1, FRAME_SAMPLES)).mean(axis=1)
    levels: NDArray[np.float64] = 10.0 * np.log10(np.maximum(power, 1e-12))
    return levels


def _threshold_dbfs(levels: NDArray[np.float64]) -> float:
    alive = levels[levels > _DEAD_DBFS]
    floor, peak = float(np.percentile(alive, 10.0)), float(levels.max())
    loud_share = np.mean(alive > peak - _LOUD_BELOW_PEAK_DB)
    steady = peak - floor < (_UNSTEADY_RANGE_DB if loud_share > _LOUD_SHARE else _STEADY_RANGE_DB)
    if steady:
        return max(_DEAD_DBFS, floor - _STEADY_RANGE_DB)
    return max(floor + _ABOVE_FLOOR_DB, peak - _BELOW_PEAK_DB)


def _runs(active: NDArray[np.bool_], merge_gap: int = _MERGE_GAP_FRAMES) -> list[tuple[int, int]]:
    """Turn a mask into half-open runs, joining those with a short gap between."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for first, last in edges.reshape(-1, 2):
        if runs and first - runs[-1][1] <= merge_gap:
            runs[-1] = (runs[-1][0], int(last))
        else:
            runs.append((int(first), int(last)))
    return runs
