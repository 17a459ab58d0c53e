"""The working copy of the engine's state during one step."""

from __future__ import annotations

import heapq
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Literal, NamedTuple, TypeVar

from rules.facts import World
from rules.state import EngineState, due_times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rules.model import ActionRequest

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
Kind = Literal["sounding", "running", "holding", "alarm", "run", "derived"]


class Due(NamedTuple):
    """Something that time alone makes happen. At one moment, what was noted first comes first."""

    at: float
    order: int
    kind: Kind
    key: Any


class Table(Generic[_Key, _Value]):
    """One mapping of the state, copied when it is first changed."""

    __slots__ = ("_changed", "_rows")

    def __init__(self, rows: Mapping[_Key, _Value]) -> None:
        self._rows = rows
        self._changed: dict[_Key, _Value] | None = None

    @property
    def rows(self) -> Mapping[_Key, _Value]:
        """What stands in it now."""
        return self._rows

    @property
    def changed(self) -> bool:
        """Whether anything was put in or taken out."""
        return self._changed is not None

    def put(self, key: _Key, value: _Value) -> None:
        """Set one row."""
        self._copy()[key] = value

    def drop(self, key: _Key) -> None:
        """Take one row out, if it is there."""
        if key in self._rows:
            del self._copy()[key]

    def finish(self) -> Mapping[_Key, _Value]:
        """Return the rows, not to be changed any more."""
        return self._rows if self._changed is None else MappingProxyType(self._changed)

    def _copy(self) -> dict[_Key, _Value]:
        if self._changed is None:
            self._rows = self._changed = dict(self._rows)
        return self._changed


class Draft:
    """Changes while a step at `now` runs; the state it came from does not."""

    def __init__(self, state: EngineState, now: float) -> None:
        self.sounding = Table(state.sounding)
        self.onsets = Table(state.onsets)
        self.partials = Table(state.partials)
        self.running = Table(state.running)
        self.alarms = Table(state.alarms)
        self.fired_at = Table(state.fired_at)
        self.kept_at = Table(state.kept_at)
        self.runs = Table(state.runs)
        self.messages = Table(state.messages)
        self.entities = Table(state.entities)
        self.holding = Table(state.holding)
        self.confirmed_at = state.confirmed_at
        self.derived = 0
        """Sounds that rules have made in this step."""
        self.requests: list[ActionRequest] = []
        self._world = self._seen()
        self._before = state
        self._now = now
        self._agenda: list[Due] = []
        if state.wake_at is not None and state.wake_at <= now:
            self._agenda = [
                Due(at, order, kind, key) for order, (at, kind, key) in enumerate(self._waiting())
            ]
            heapq.heapify(self._agenda)
        self._order = len(self._agenda)

    @property
    def world(self) -> World:
        """What was said last."""
        world = self._world
        if (
            world.messages is not self.messages.rows
            or world.entities is not self.entities.rows
            or world.confirmed_at != self.confirmed_at
        ):
            world = self._world = self._seen()
        return world

    def _seen(self) -> World:
        return World(messages=self.messages.rows, entities=self.entities.rows, confirmed_at=self.confirmed_at)

    def schedule(self, at: float, kind: Kind, key: object) -> None:
        """Note that something is due; what is cancelled later need not be taken back."""
        if at <= self._now:
            self._order += 1
            heapq.heappush(self._agenda, Due(at, self._order, kind, key))

    def take_due(self) -> Iterator[Due]:
        """Give what is due by now, in order of time, along with what is scheduled meanwhile."""
        while self._agenda and self._agenda[0].at <= self._now:
            yield heapq.heappop(self._agenda)

    def finish(self) -> tuple[EngineState, tuple[ActionRequest, ...]]:
        """Return the new state, and the requests in the order in which they were due."""
        self.requests.sort(key=lambda request: request.due_at)
        return self._state(), tuple(self.requests)

    def _waiting(self) -> Iterator[tuple[float, Kind, Any]]:
        for waiting, sounding in self.sounding.rows.items():
            yield sounding.wakes_at, "sounding", waiting
        for place, running in self.running.rows.items():
            if running.due_at is not None:
                yield running.due_at, "running", place
        for held, holding in self.holding.rows.items():
            yield holding.due_at, "holding", held
        for key, at in self.alarms.rows.items():
            yield at, "alarm", key
        for rule_id, runs in self.runs.rows.items():
            for cursor in (cursor for run in runs for cursor in run.cursors):
                yield cursor.at, "run", rule_id

    def _state(self) -> EngineState:
        timed = (self.sounding, self.running, self.alarms, self.runs, self.holding)
        untimed = (self.onsets, self.partials, self.fired_at, self.kept_at, self.messages, self.entities)
        if any(table.changed for table in timed):
            return self._with(min(due_times(self._with(None)), default=None))
        if any(table.changed for table in untimed) or self.confirmed_at != self._before.confirmed_at:
            return self._with(self._before.wake_at)
        return self._before

    def _with(self, wake_at: float | None) -> EngineState:
        return EngineState(
            sounding=self.sounding.finish(),
            onsets=self.onsets.finish(),
            partials=self.partials.finish(),
            running=self.running.finish(),
            alarms=self.alarms.finish(),
            fired_at=self.fired_at.finish(),
            kept_at=self.kept_at.finish(),
            runs=self.runs.finish(),
            messages=self.messages.finish(),
            entities=self.entities.finish(),
            confirmed_at=self.confirmed_at,
            holding=self.holding.finish(),
            wake_at=wake_at,
        )
