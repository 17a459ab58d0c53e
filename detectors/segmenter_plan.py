"""When a score makes a sound: the settings of the segmenter, and what they come to for each profile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterSettings:
    """One hop is 80 ms."""

    exit_ratio: float = 0.6
    """A sound goes on while its score is at least this part of the threshold that started it."""
    impulse_start_hops: int = 1
    sustained_start_hops: int = 3
    """So many of the last `sustained_window_hops` reach the threshold."""
    sustained_window_hops: int = 5
    """At most 8."""
    impulse_end_hops: int = 3
    """Hops in a row below the lower threshold that end a sound."""
    sustained_end_hops: int = 25
    """2 s: a smoke alarm pauses for 1.5 s between its groups of three."""
    refractory_hops: int = 6
    """After its end only something abrupt starts the same sound again: a room's tail does not."""
    rise_ratio: float = 0.3
    """The score began to rise where it first reached this part of the threshold."""
    impulse_lookback_hops: int = 2
    sustained_lookback_hops: int = 6
    """How far before the first hop over the threshold the rise may lie."""
    memory_hops: int = 25
    """The encoder remembers about two seconds: no sound began longer before it was known."""
    stretch_fall_db: float = 15.0
    """A stretch of sound begins after a hop that lies so far under what follows."""
    encoder_delay_hops: int = 3
    """The score follows something abrupt within so many hops."""
    repeat_hops: int = 3
    """An impulse can repeat, without an end between, after so many hops, if it was quiet between:"""
    repeat_fall_db: float = 15.0
    """by so much under the loudest hop before,"""
    repeat_level_db: float = 10.0
    """and it comes back to less than so much under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The settings spelled out for each of a matcher's profiles; arrays are [profiles]."""

    settings: SegmenterSettings
    impulse: NDArray[np.bool_]
    enter: NDArray[np.float32]
    leave: NDArray[np.float32]
    rise: NDArray[np.float32]
    start_hops: NDArray[np.uint8]
    window_mask: NDArray[np.uint8]
    end_hops: NDArray[np.int64]
    lookback_hops: NDArray[np.int64]


def plan(thresholds: NDArray[np.float32], kinds: Sequence[str], settings: SegmenterSettings) -> Plan:
    """Spell the settings out for profiles of these thresholds and kinds ("impulse" or "sustained")."""
    impulse = np.array([kind == "impulse" for kind in kinds], np.bool_)
    windows = np.where(impulse, settings.impulse_start_hops, settings.sustained_window_hops)
    return Plan(
        settings=settings,
        impulse=impulse,
        enter=thresholds,
        leave=thresholds * np.float32(settings.exit_ratio),
        rise=thresholds * np.float32(settings.rise_ratio),
        start_hops=np.where(impulse, settings.impulse_start_hops, settings.sustained_start_hops).astype(
            np.uint8
        ),
        window_mask=((1 << windows) - 1).astype(np.uint8),
        end_hops=np.where(impulse, settings.impulse_end_hops, settings.sustained_end_hops),
        lookback_hops=np.where(impulse, settings.impulse_lookback_hops, settings.sustained_lookback_hops),
    )
