"""What Home Assistant is told of: devices and their entities, whichever dialect says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Platform = Literal["binary_sensor", "button", "event", "image", "number", "sensor", "switch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One entity of a device. Its names are for people; `key` never changes for the same thing."""

    platform: Platform
    key: str
    """Unlike every other of the device; nothing but [a-zA-Z0-9_-]."""
    name: str
    object_id: str
    """What its entity id is made of when it is first seen."""
    available_with: tuple[str, ...]
    """The topics that must all say `online`; none: it always has a state."""
    category: Literal["config", "diagnostic"] | None = None
    """None: it is what the device is there for."""
    enabled: bool = True
    """Whether it is there without its owner's asking."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What is particular to its platform, in the words of MQTT discovery."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A node, or one of its streams."""

    id: str
    """Unlike every other in the world; nothing but [a-zA-Z0-9_-]."""
    name: str
    model: str
    sw_version: str
    via: str | None = None
    """The device through which this one is reached."""
    configuration_url: str | None = None
    entities: tuple[Entity, ...]
