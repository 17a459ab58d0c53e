"""What conditions and templates see of a rule that fires."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

from detectors.types import SoundEvent
from rules.facts import EntityState, World
from rules.state import Cause
from rules.template_functions import HERE
from rules.template_names import NAMES

TOLD_FOR_S = 120.0
"""What Home Assistant has not confirmed for longer is not known to templates."""

_Names = Mapping[str, Any]


class Memo:
    """What is the same for all the rules that one sound concerns, worked out once."""

    __slots__ = ("at", "cause", "local", "names")

    def __init__(self) -> None:
        self.cause: tuple[SoundEvent | None, float] | None = None
        self.names: _Names = {}
        self.at = math.nan
        self.local = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Where the rules run: the same for all of them."""

    clip_url: Callable[[SoundEvent], str]
    """Names the clip of an event, whether or not it is kept."""
    zone: tzinfo
    """The owner's time zone."""
    memo: Memo = field(default_factory=Memo, compare=False, repr=False)

    def local(self, at: float) -> datetime:
        """Return a moment as the owner's clocks show it."""
        memo = self.memo
        if memo.at != at:
            memo.at, memo.local = at, datetime.fromtimestamp(at, self.zone)
        return memo.local

    def sound(self, event: SoundEvent, at: float) -> _Names:
        """Return what templates know of a rule that a sound made fire."""
        memo = self.memo
        if memo.cause is None or memo.cause[0] is not event or memo.cause[1] != at:
            memo.cause, memo.names = (event, at), _sound_names(self, event, at)
        return memo.names

    def iso(self, unix_s: float) -> str:
        """Return a moment as ISO 8601 in the owner's zone."""
        return datetime.fromtimestamp(unix_s, self.zone).isoformat(timespec="milliseconds")


class Context:
    """One rule at one moment `at`, Unix seconds of event time. `round` counts repetitions from 1."""

    __slots__ = ("_key", "_names", "at", "cause", "house", "round", "rule_id", "variables", "world")

    def __init__(
        self,
        *,
        house: House,
        world: World,
        rule_id: str,
        cause: Cause,
        at: float,
        variables: _Names,
        round: int | None = None,  # noqa: A002 - what it is; None outside of any
    ) -> None:
        self.house = house
        self.world = world
        self.rule_id = rule_id
        self.cause = cause
        self.at = at
        self.variables = variables
        self.round = round
        self._names: _Names | None = None
        self._key = ""

    @property
    def key(self) -> str:
        """What is the same for the same rule and cause whenever it is replayed."""
        if not self._key:
            cause = self.cause
            if cause.event is not None:
                about = f"{cause.event.id}\0{cause.event.phase.value}"
            else:
                about = f"{cause.at!r}\0{json.dumps(dict(cause.told))}" if cause.told else f"{cause.at!r}"
            self._key = f"{self.rule_id}\0{cause.trigger.digest}\0{about}"
        return self._key

    @property
    def names(self) -> _Names:
        """What a template may name, as `rules.template_names` promises. Times are ISO 8601 in the zone."""
        if self._names is None:
            self._names = {
                **self.variables,
                "trigger": self._trigger(),
                "rule": {"id": self.rule_id},
                "repeat": {"index": self.round},
                HERE: self,
            }
        return self._names

    @property
    def zone(self) -> tzinfo:
        """The owner's time zone."""
        return self.house.zone

    def now(self) -> datetime:
        """Return the moment, as the owner's clocks show it."""
        return self.house.local(self.at)

    def entity(self, entity_id: str) -> EntityState | None:
        """Return how an entity of Home Assistant stands; None where that was not confirmed lately."""
        known = self.world.entity(entity_id, self.at, TOLD_FOR_S)
        return None if known is None else known.told

    def _trigger(self) -> _Names:
        event, cause = self.cause.event, self.cause
        if event is not None:
            names = self.house.sound(event, cause.at)
            return names if not cause.trigger_id else {**names, "id": cause.trigger_id}
        told = {"id": cause.trigger_id or None, "at": self.house.iso(cause.at)}
        return {**_NOTHING, **cause.told, **told, "payload_json": read_payload(cause.told.get("payload"))}


_NOTHING: dict[str, Any] = dict.fromkeys(sorted(NAMES["trigger"]))


def _sound_names(house: House, event: SoundEvent, at: float) -> _Names:
    return {
        **_NOTHING,
        "id": event.id,
        "event_id": event.id,
        "at": house.iso(at),
        "profile": event.profile,
        "stream": event.stream,
        "phase": event.phase.value,
        "score": round(float(event.score), 4),
        "level_dbfs": _decibels(event.level_dbfs),
        "noise_floor_dbfs": _decibels(event.noise_floor_dbfs),
        "started": house.iso(event.onset_at),
        "ended": None if event.ended_at is None else house.iso(event.ended_at),
        "clip_url": house.clip_url(event),
        "verified": event.verified,
        "caption": event.caption,
        "transcript": event.transcript,
        "decided_by": event.decided_by.value,
    }


def read_payload(payload: str | None) -> Any:
    """Return what a payload says as JSON; None where it is none."""
    try:
        return None if payload is None else json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that JSON has")


def _decibels(level_dbfs: float) -> float | None:
    # Digital silence is minus infinity, which JSON cannot say.
    return round(float(level_dbfs), 2) if math.isfinite(level_dbfs) else None
