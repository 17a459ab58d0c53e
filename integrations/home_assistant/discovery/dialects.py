"""The two dialects of MQTT discovery: a topic for each entity, or one for each device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from integrations.home_assistant.discovery.model import Device, Entity

Dialect = Literal["single", "device"]

MIGRATE: Mapping[str, Any] = {"migrate_discovery": True}
"""Tells Home Assistant that the same entities are about to be told of in the other dialect."""

_NODE_IS_ONLINE = "{{ 'online' if value == 'online' else 'offline' }}"
"""A node that was stopped says so, which is neither of Home Assistant's two words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one topic says."""

    payload: Mapping[str, Any]
    components: Mapping[str, str] = field(default_factory=dict)
    """In the dialect of devices: the platform of each entity by its key."""

    def taking_away(self, lost: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a payload that takes the components away that are `lost`, and keeps the others."""
        stubs = {key: {"platform": platform} for key, platform in lost.items()}
        return {**self.payload, "components": {**stubs, **self.payload["components"]}}


def told_by_topic(
    devices: Iterable[Device], *, dialect: Dialect, prefix: str, sw_version: str
) -> dict[str, Told]:
    """Return what Home Assistant has to be told, by topic; all of it retained."""
    origin = {"name": "heard", "sw_version": sw_version}
    speak = _single if dialect == "single" else _device
    return dict(told for device in devices for told in speak(device, origin, prefix))


def _single(device: Device, origin: Mapping[str, str], prefix: str) -> Iterator[tuple[str, Told]]:
    about = _about(device)
    for entity in device.entities:
        topic = f"{prefix}/{entity.platform}/heard_{device.id}/{entity.key}/config"
        yield topic, Told(payload={**_entity(device, entity), "device": about, "origin": origin})


def _device(device: Device, origin: Mapping[str, str], prefix: str) -> Iterator[tuple[str, Told]]:
    components = {
        entity.key: {"platform": entity.platform, **_entity(device, entity)} for entity in device.entities
    }
    payload = {"device": _about(device), "origin": origin, "components": components}
    told = Told(payload=payload, components={entity.key: entity.platform for entity in device.entities})
    yield f"{prefix}/device/heard_{device.id}/config", told


def _about(device: Device) -> dict[str, Any]:
    about = {
        "identifiers": [device.id],
        "name": device.name,
        "manufacturer": "heard",
        "model": device.model,
        "sw_version": device.sw_version,
        "via_device": device.via,
        "configuration_url": device.configuration_url,
    }
    return {key: value for key, value in about.items() if value is not None}


def _entity(device: Device, entity: Entity) -> dict[str, Any]:
    told: dict[str, Any] = {
        "unique_id": f"{device.id}/{entity.key}",
        "name": entity.name,
        # Releases before 2025.10 read the one, those from 2026.4 on only the other.
        "object_id": entity.object_id,
        "default_entity_id": f"{entity.platform}.{entity.object_id}",
        **entity.options,
    }
    if entity.available_with:
        told["availability_mode"] = "all"
        told["availability"] = [
            {"topic": topic, "value_template": _NODE_IS_ONLINE} for topic in entity.available_with
        ]
    if entity.category is not None:
        told["entity_category"] = entity.category
    if not entity.enabled:
        told["enabled_by_default"] = False
    return told
