"""The engine's state as plain values that strict JSON can say, so that it outlives a restart."""

from __future__ import annotations

import math
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from detectors.types import Phase, SoundEvent
from rules.state import (
    Cause,
    Cursor,
    EngineState,
    Frame,
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

VERSION = 2


def dump_state(state: EngineState) -> dict[str, Any]:
    """Return the state as plain values."""
    return {
        "version": VERSION,
        "sounding": [
            {"trigger": list(key.trigger), "event": _dump_event(item.event), "due_at": item.due_at}
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
                event=_dump_event(item.event),
                for_s=item.for_s,
            )
            for place, item in state.running.items()
        ],
        "alarms": [[*key, at] for key, at in state.alarms.items()],
        "fired_at": dict(state.fired_at),
        "kept_at": dict(state.kept_at),
        "runs": {rule: [_dump_run(run) for run in runs] for rule, runs in state.runs.items()},
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
    event = _load_event(data["event"])
    return Waiting(_load_key(data["trigger"]), event.id), Sounding(event=event, due_at=float(data["due_at"]))


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
        event=_load_event(data["event"]),
        for_s=float(data["for_s"]),
    )


def _dump_run(run: Run) -> dict[str, Any]:
    cause = run.cause
    return {
        "cause": {
            "trigger": list(cause.trigger),
            "trigger_id": cause.trigger_id,
            "event": None if cause.event is None else _dump_event(cause.event),
            "at": cause.at,
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
            event=None if cause["event"] is None else _load_event(cause["event"]),
            at=float(cause["at"]),
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


def _dump_event(event: SoundEvent) -> dict[str, Any]:
    plain = asdict(event) | {"phase": event.phase.value}
    return {key: _dump_number(value) for key, value in plain.items()}


def _dump_number(value: object) -> object:
    """Write what JSON has no number for, such as the level of digital silence, as text."""
    if isinstance(value, bool | str) or value is None:
        return value
    number = float(value)  # type: ignore[arg-type] # the fields of an event are text, flags and numbers
    return number if math.isfinite(number) else str(number)


def _load_event(data: Any) -> SoundEvent:
    return SoundEvent(
        id=str(data["id"]),
        phase=Phase(data["phase"]),
        profile=str(data["profile"]),
        profile_version=str(data["profile_version"]),
        stream=str(data["stream"]),
        epoch_s=float(data["epoch_s"]),
        onset_s=float(data["onset_s"]),
        decided_s=float(data["decided_s"]),
        end_s=None if data["end_s"] is None else float(data["end_s"]),
        score=float(data["score"]),
        level_dbfs=float(data["level_dbfs"]),
        noise_floor_dbfs=float(data["noise_floor_dbfs"]),
        speech=bool(data["speech"]),
    )
