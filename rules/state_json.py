"""The engine's state as plain values that strict JSON can say, so that it outlives a restart."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rules.facts import Known
from rules.facts_json import dump_entity, dump_event, dump_message, load_entity, load_event, load_message
from rules.state import (
    Cause,
    Cursor,
    EngineState,
    Frame,
    Held,
    Holding,
    Onset,
    Partial,
    Place,
    Run,
    Running,
    Sounding,
    TriggerKey,
    Waiting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 4

Memo = Callable[[Any, Callable[[Any], Any]], Any]
"""Gives what the function makes of a value that never changes, and may know it already."""


class Dumper:
    """Dumps states that follow one another: what has not changed is not worked out again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, Any]] = {}

    def dump(self, state: EngineState) -> dict[str, Any]:
        """Return the state as plain values, as `dump_state` does. They are not to be changed."""
        # Whatever is held here keeps its id.
        seen: dict[int, tuple[Any, Any]] = {}

        def memo(value: Any, make: Callable[[Any], Any]) -> Any:
            known = self._known.get(id(value)) or (value, make(value))
            seen[id(value)] = known
            return known[1]

        dumped = dump_state(state, memo)
        self._known = seen
        return dumped


def dump_state(state: EngineState, memo: Memo = lambda value, make: make(value)) -> dict[str, Any]:
    """Return the state as plain values."""
    return {
        "version": VERSION,
        "sounding": [
            {
                "trigger": list(key.trigger),
                "event": memo(item.event, dump_event),
                "due_at": item.due_at,
                "lost_at": item.lost_at,
                "findable": item.findable,
            }
            for key, item in state.sounding.items()
        ],
        "onsets": [
            _dump_place(place, onsets=[list(o) for o in onsets]) for place, onsets in state.onsets.items()
        ],
        "partials": [
            _dump_place(place, steps=[None if step is None else list(step) for step in steps])
            for place, steps in state.partials.items()
        ],
        "running": [
            _dump_place(
                place,
                began_at=item.began_at,
                until=item.until,
                going_on=list(item.going_on),
                event=memo(item.event, dump_event),
                for_s=item.for_s,
            )
            for place, item in state.running.items()
        ],
        "alarms": [[*key, at] for key, at in state.alarms.items()],
        "fired_at": dict(state.fired_at),
        "kept_at": dict(state.kept_at),
        "runs": {rule: [memo(run, _dump_run) for run in runs] for rule, runs in state.runs.items()},
        "messages": [memo(message, dump_message) for message in state.messages.values()],
        "entities": [memo(known, _dump_known) for known in state.entities.values()],
        "confirmed_at": state.confirmed_at,
        "holding": [
            {
                "trigger": list(held.trigger),
                "entity_id": held.entity_id,
                "due_at": item.due_at,
                "told": dict(item.told),
            }
            for held, item in state.holding.items()
        ],
    }


def load_state(data: object) -> EngineState:
    """Return the state that `dump_state` gave; raise ValueError for anything else."""
    try:
        return _load(data)
    except (AttributeError, KeyError, TypeError, ValueError) as failure:
        raise ValueError(f"not a dumped state of the rules: {failure!r}") from failure


def _load(data: Any) -> EngineState:
    if data["version"] != VERSION:
        raise ValueError(f"version {data['version']!r}")
    return EngineState(
        sounding=MappingProxyType(dict(_load_sounding(item) for item in data["sounding"])),
        onsets=MappingProxyType(
            {
                _load_place(item): tuple(Onset(float(at), str(name)) for at, name in item["onsets"])
                for item in data["onsets"]
            }
        ),
        partials=MappingProxyType(
            {
                _load_place(item): tuple(_load_partial(step) for step in item["steps"])
                for item in data["partials"]
            }
        ),
        running=MappingProxyType({_load_place(item): _load_running(item) for item in data["running"]}),
        alarms=MappingProxyType(
            {TriggerKey(str(rule), str(key)): float(at) for rule, key, at in data["alarms"]}
        ),
        fired_at=_load_times(data["fired_at"]),
        kept_at=_load_times(data["kept_at"]),
        runs=MappingProxyType(
            {str(rule): tuple(_load_run(run) for run in runs) for rule, runs in data["runs"].items()}
        ),
        messages=MappingProxyType({item["topic"]: load_message(item) for item in data["messages"]}),
        entities=MappingProxyType({item["entity_id"]: _load_known(item) for item in data["entities"]}),
        confirmed_at=float(data["confirmed_at"]),
        holding=MappingProxyType(
            {
                Held(_load_key(item["trigger"]), str(item["entity_id"])): Holding(
                    due_at=float(item["due_at"]), told=_load_told(item["told"])
                )
                for item in data["holding"]
            }
        ),
    )


def _dump_place(place: Place, **more: object) -> dict[str, object]:
    return {"trigger": list(place.trigger), "stream": place.stream, **more}


def _load_place(data: Any) -> Place:
    return Place(_load_key(data["trigger"]), str(data["stream"]))


def _load_key(data: Any) -> TriggerKey:
    rule_id, digest = data
    return TriggerKey(str(rule_id), str(digest))


def _load_times(data: Any) -> Mapping[str, float]:
    return MappingProxyType({str(rule): float(at) for rule, at in data.items()})


def _load_sounding(data: Any) -> tuple[Waiting, Sounding]:
    event = load_event(data["event"])
    return Waiting(_load_key(data["trigger"]), event.id), Sounding(
        event=event,
        due_at=float(data["due_at"]),
        lost_at=None if data["lost_at"] is None else float(data["lost_at"]),
        findable=bool(data["findable"]),
    )


def _load_partial(data: Any) -> Partial | None:
    if data is None:
        return None
    first_at, last_at, last_id = data
    return Partial(float(first_at), float(last_at), str(last_id))


def _load_running(data: Any) -> Running:
    return Running(
        began_at=float(data["began_at"]),
        until=float(data["until"]),
        going_on=tuple(str(name) for name in data["going_on"]),
        event=load_event(data["event"]),
        for_s=float(data["for_s"]),
    )


def _dump_known(known: Known) -> dict[str, Any]:
    return {**dump_entity(known.told), "since": known.since}


def _load_known(data: Any) -> Known:
    return Known(told=load_entity(data), since=float(data["since"]))


def _load_told(data: Any) -> Mapping[str, Any]:
    return MappingProxyType(dict(data))


def _dump_run(run: Run) -> dict[str, Any]:
    cause = run.cause
    return {
        "cause": {
            "trigger": list(cause.trigger),
            "trigger_id": cause.trigger_id,
            "event": None if cause.event is None else dump_event(cause.event),
            "at": cause.at,
            "told": dict(cause.told),
        },
        "program": run.program,
        "cursors": [
            {"at": cursor.at, "frames": [list(frame) for frame in cursor.frames]} for cursor in run.cursors
        ],
        "variables": dict(run.variables),
        "requests": run.requests,
        "burst_at": run.burst_at,
        "burst": run.burst,
    }


def _load_run(data: Any) -> Run:
    cause = data["cause"]
    return Run(
        cause=Cause(
            trigger=_load_key(cause["trigger"]),
            trigger_id=str(cause["trigger_id"]),
            event=None if cause["event"] is None else load_event(cause["event"]),
            at=float(cause["at"]),
            told=_load_told(cause["told"]),
        ),
        program=str(data["program"]),
        cursors=tuple(_load_cursor(cursor) for cursor in data["cursors"]),
        variables=MappingProxyType(dict(data["variables"])),
        requests=int(data["requests"]),
        burst_at=float(data["burst_at"]),
        burst=int(data["burst"]),
    )


def _load_cursor(data: Any) -> Cursor:
    frames = tuple(Frame(int(branch), int(index), int(turn)) for branch, index, turn in data["frames"])
    return Cursor(at=float(data["at"]), frames=frames)
