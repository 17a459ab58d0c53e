"""An event entity for each stream: what it has just heard."""

from __future__ import annotations

from functools import partial

from homeassistant.components.event import EventEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HeardCoordinator, Sound, coordinators, evidence_path
from .entity import Makers, StreamEntity, keep_entities, stream_key
from .models import Daemon

PARALLEL_UPDATES = 0

_NOT_ATTRIBUTES = {"event_type", "phase", "ended"}
"""The type is the entity's own, and it fires at the start only."""


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream its event entity."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        return {
            stream_key(stream, "sound"): partial(SoundEvent, coordinator, stream) for stream in daemon.streams
        }

    keep_entities(coordinator, "event", add, wanted)


class SoundEvent(StreamEntity, EventEntity):
    """Fires when a sound starts; its type is the profile."""

    _attr_translation_key = "sound"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "sound")
        self._emitted: set[str] = set()
        self._name_types()

    async def async_added_to_hass(self) -> None:
        """Hear of every sound from now on."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.on_sound(self._heard))

    @callback
    def _updated(self) -> None:
        self._name_types()
        super()._updated()

    @callback
    def _heard(self, sound: Sound) -> None:
        if sound["stream"] != self.stream:
            return
        kind = sound["event_type"]
        if kind not in self.event_types:
            # Rules can emit events of their own, which are no profiles.
            self._emitted.add(kind)
            self._name_types()
        told = {key: value for key, value in sound.items() if key not in _NOT_ATTRIBUTES}
        told["clip"] = evidence_path(sound["id"], "clip.flac") if sound.get("clip") else None
        self._trigger_event(kind, told)
        self.async_write_ha_state()

    def _name_types(self) -> None:
        self._attr_event_types = sorted({*self.coordinator.daemon.profiles, *self._emitted})
