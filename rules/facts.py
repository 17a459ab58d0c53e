"""What rules hear about besides sounds: messages, and how things stand in Home Assistant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detectors.types import SoundEvent

MAX_MESSAGE = 65_536
"""Characters of a payload that rules look at; a longer one is passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttMessage:
    """Somebody said this on a topic."""

    topic: str
    payload: str
    at: float
    """Unix seconds."""
    retained: bool = False
    """The broker had kept it from before: what is so, and not what just happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityState:
    """An entity of Home Assistant was found in this state."""

    entity_id: str
    state: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Home Assistant answered, and every entity is in the state that was told last."""

    at: float
    """Unix seconds."""


Fact = SoundEvent | MqttMessage | EntityState | Confirmation


def time_of(fact: Fact) -> float:
    """Return when a fact could first be known, Unix seconds."""
    return fact.decided_at if isinstance(fact, SoundEvent) else fact.at


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was said last, as far as rules ask about it."""

    messages: Mapping[str, MqttMessage] = field(default_factory=dict)
    """By topic."""
    entities: Mapping[str, Known] = field(default_factory=dict)
    """By entity id."""
    confirmed_at: float = 0.0
    """When Home Assistant answered last."""

    def entity(self, entity_id: str, at: float, max_age_s: float) -> Known | None:
        """Return what is known of an entity; None where that was not confirmed lately enough."""
        known = self.entities.get(entity_id)
        if known is None or at - max(known.told.at, self.confirmed_at) > max_age_s:
            return None
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The state of an entity, and since when it is that."""

    told: EntityState
    since: float
