"""What the engine remembers between events, as a value that JSON can hold over a restart."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from detectors.types import Phase, SoundEvent
from rules.model import ActionRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1


class TriggerKey(NamedTuple):
    """One trigger of one rule. The digest changes when the trigger is edited."""

    rule_id: str
    digest: str


class OnsetKey(NamedTuple):
    """Where repetitions are counted: sounds on different streams are not repetitions."""

    trigger: TriggerKey
    stream: str


class Onset(NamedTuple):
    """One sound that counted."""

    at: float
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounding:
    """A sound that goes on, and that a trigger fires for at `due_at` unless it ends before."""

    trigger: TriggerKey
    event: SoundEvent
    due_at: float


def _none() -> Mapping[Any, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """Everything that the next step depends on besides the rules. Replaced, never changed."""

    sounding: tuple[Sounding, ...] = ()
    onsets: Mapping[OnsetKey, tuple[Onset, ...]] = field(default_factory=_none)
    """Sounds so far of triggers that count, in order of time."""
    fired_at: Mapping[str, float] = field(default_factory=_none)
    """When each rule that has a cooldown fired last."""
    held: tuple[ActionRequest, ...] = ()
    """Requests behind a delay, in the order in which they are due."""


def dump_state(state: EngineState) -> dict[str, Any]:
    """Return the state as plain values, all of which strict JSON can say."""
    return {
        "version": VERSION,
        "sounding": [
            {"trigger": list(item.trigger), "event": _dump_event(item.event), "due_at": item.due_at}
            for item in state.sounding
        ],
        "onsets": [
            {"trigger": list(key.trigger), "stream": key.stream, "onsets": [list(onset) for onset in onsets]}
            for key, onsets in state.onsets.items()
        ],
        "fired_at": dict(state.fired_at),
        "held": [
            {
                "id": request.id,
                "rule_id": request.rule_id,
                "action": request.action,
                "event": _dump_event(request.event),
                "due_at": request.due_at,
                "data": dict(request.data),
            }
            for request in state.held
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
        sounding=tuple(
            Sounding(
                trigger=_load_key(item["trigger"]),
                event=_load_event(item["event"]),
                due_at=float(item["due_at"]),
            )
            for item in data["sounding"]
        ),
        onsets=MappingProxyType(
            {
                OnsetKey(_load_key(item["trigger"]), str(item["stream"])): tuple(
                    Onset(float(at), str(event_id)) for at, event_id in item["onsets"]
                )
                for item in data["onsets"]
            }
        ),
        fired_at=MappingProxyType({str(rule): float(at) for rule, at in data["fired_at"].items()}),
        held=tuple(_load_request(item) for item in data["held"]),
    )


def _load_key(data: Any) -> TriggerKey:
    rule_id, digest = data
    return TriggerKey(str(rule_id), str(digest))


def _load_request(data: Any) -> ActionRequest:
    return ActionRequest(
        id=str(data["id"]),
        rule_id=str(data["rule_id"]),
        action=str(data["action"]),
        event=_load_event(data["event"]),
        due_at=float(data["due_at"]),
        data=dict(data["data"]),
    )


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
