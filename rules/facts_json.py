"""What rules hear about, as plain values that strict JSON can say, and back."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import Any

from detectors.types import Decider, Phase, SoundEvent
from rules.facts import Confirmation, EntityState, Fact, MqttMessage

_EVENT_FIELDS = (
    "id", "phase", "profile", "profile_version", "stream", "epoch_s", "onset_s", "decided_s", "end_s",
    "score", "level_dbfs", "noise_floor_dbfs", "speech", "verified", "caption", "transcript", "decided_by",
)  # fmt: skip


def dump_fact(fact: Fact) -> dict[str, Any]:
    """Return a fact as plain values, with its kind."""
    match fact:
        case SoundEvent():
            return {"fact": "sound", **dump_event(fact)}
        case MqttMessage():
            return {"fact": "message", **dump_message(fact)}
        case EntityState():
            return {"fact": "state", **dump_entity(fact)}
        case Confirmation():
            return {"fact": "confirmation", "at": fact.at}


def load_fact(data: Any) -> Fact:
    """Return what `dump_fact` gave; raises KeyError, TypeError or ValueError for anything else."""
    match data["fact"]:
        case "sound":
            return load_event(data)
        case "message":
            return load_message(data)
        case "state":
            return load_entity(data)
        case "confirmation":
            return Confirmation(at=float(data["at"]))
    raise ValueError(f"not a fact: {data['fact']!r}")


def dump_event(event: SoundEvent) -> dict[str, Any]:
    """Return a sound as plain values."""
    return {name: _plain(getattr(event, name)) for name in _EVENT_FIELDS}


def load_event(data: Any) -> SoundEvent:
    """Return the sound that `dump_event` gave."""
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
        verified=data.get("verified"),
        caption=data.get("caption"),
        transcript=data.get("transcript"),
        decided_by=Decider(data.get("decided_by", Decider.PROFILES)),
    )


def dump_message(message: MqttMessage) -> dict[str, Any]:
    """Return a message as plain values."""
    return {
        "topic": message.topic,
        "payload": message.payload,
        "at": message.at,
        "retained": message.retained,
    }


def load_message(data: Any) -> MqttMessage:
    """Return the message that `dump_message` gave."""
    return MqttMessage(
        topic=str(data["topic"]),
        payload=str(data["payload"]),
        at=float(data["at"]),
        retained=bool(data["retained"]),
    )


def dump_entity(told: EntityState) -> dict[str, Any]:
    """Return the state of an entity as plain values."""
    return {
        "entity_id": told.entity_id,
        "state": told.state,
        "attributes": dict(told.attributes),
        "at": told.at,
    }


def load_entity(data: Any) -> EntityState:
    """Return the state that `dump_entity` gave."""
    return EntityState(
        entity_id=str(data["entity_id"]),
        state=str(data["state"]),
        attributes=MappingProxyType(dict(data["attributes"])),
        at=float(data["at"]),
    )


def _plain(value: object) -> object:
    """Write what JSON has no number for, such as the level of digital silence, as text."""
    if isinstance(value, Phase | Decider):
        return value.value
    if isinstance(value, bool | str) or value is None:
        return value
    number = float(value)  # type: ignore[arg-type] # the fields of an event are text, flags and numbers
    return number if math.isfinite(number) else str(number)
