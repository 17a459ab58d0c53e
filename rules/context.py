"""What conditions and templates see of a rule that fires."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rules.template import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from detectors.types import SoundEvent
    from rules.state import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where the rules run: the same for all of them."""

    clip_url: Callable[[SoundEvent], str]
    """Names the clip of an event, whether or not it is kept."""
    zone: tzinfo
    """The owner's time zone."""


@dataclass(frozen=True, kw_only=True)
class Context:
    """One rule at one moment."""

    house: House
    rule_id: str
    cause: Cause
    at: float
    """Unix seconds of event time."""
    variables: Mapping[str, Any]
    round: int | None = None
    """Which repetition this is, from 1; None outside of any."""

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """What a template may name, as `rules.template.NAMES` promises. Times are ISO 8601 in the zone."""
        return {
            **self.variables,
            "trigger": self._trigger(),
            "rule": {"id": self.rule_id},
            "repeat": {"index": self.round},
            "now": lambda: datetime.fromtimestamp(self.at, self.house.zone),
        }

    def _trigger(self) -> Mapping[str, Any]:
        event, cause = self.cause.event, self.cause
        if event is None:
            return _NO_SOUND | {"id": cause.trigger_id or None, "at": self._iso(cause.at)}
        return {
            "id": cause.trigger_id or event.id,
            "event_id": event.id,
            "at": self._iso(cause.at),
            "profile": event.profile,
            "stream": event.stream,
            "phase": event.phase.value,
            "score": round(float(event.score), 4),
            "level_dbfs": _decibels(event.level_dbfs),
            "noise_floor_dbfs": _decibels(event.noise_floor_dbfs),
            "started": self._iso(event.onset_at),
            "ended": None if event.ended_at is None else self._iso(event.ended_at),
            "clip_url": self.house.clip_url(event),
        }

    def _iso(self, unix_s: float) -> str:
        return datetime.fromtimestamp(unix_s, self.house.zone).isoformat(timespec="milliseconds")


_NO_SOUND: dict[str, Any] = dict.fromkeys(sorted(NAMES["trigger"]))


def _decibels(level_dbfs: float) -> float | None:
    # Digital silence is minus infinity, which JSON cannot say.
    return round(float(level_dbfs), 2) if math.isfinite(level_dbfs) else None
