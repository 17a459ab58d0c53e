"""Sounds that go on, and how well each stream hears."""

from __future__ import annotations

from functools import partial
from typing import Any

from homeassistant.components.binary_sensor import BinarySensorDeviceClass, BinarySensorEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HeardCoordinator, coordinators
from .entity import Makers, StreamEntity, keep_entities, stream_key
from .models import Daemon

PARALLEL_UPDATES = 0


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream its health, and a state for each sound that can go on."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        sustained = [name for name, profile in daemon.profiles.items() if profile.get("kind") == "sustained"]
        makers: dict[str, Any] = {}
        for stream in daemon.streams:
            makers[stream_key(stream, "online")] = partial(Connected, coordinator, stream)
            makers[stream_key(stream, "problem")] = partial(Problem, coordinator, stream)
            for profile in sustained:
                makers[stream_key(stream, f"profile/{profile}")] = partial(
                    Sounding, coordinator, stream, profile
                )
        return makers

    keep_entities(coordinator, "binary_sensor", add, wanted)


class Sounding(StreamEntity, BinarySensorEntity):
    """On while a sound goes on. Its class is never one that a siren might be wired to: it is a guess."""

    _attr_device_class = BinarySensorDeviceClass.SOUND
    _attr_translation_key = "sounding"

    def __init__(self, coordinator: HeardCoordinator, stream: str, profile: str) -> None:
        super().__init__(coordinator, stream, f"profile/{profile}")
        self._profile = profile
        self._attr_translation_placeholders = {"profile": profile.replace("_", " ").capitalize()}

    @property
    def is_on(self) -> bool:
        """Say whether it sounds now."""
        return self.coordinator.sounding(self.stream, self._profile)


class _About(StreamEntity, BinarySensorEntity):
    """Tells of a stream even when no audio comes from it."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    def available(self) -> bool:
        """Say whether the daemon can be reached."""
        return self.coordinator.available and bool(self.state_of_stream)


class Connected(_About):
    """On while audio comes from the stream."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_translation_key = "online"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "online")

    @property
    def is_on(self) -> bool:
        """Say whether audio comes."""
        return bool(self.state_of_stream.get("online"))


class Problem(_About):
    """On while the stream hears badly: silence, clipping, or audio that is lost."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM
    _attr_translation_key = "problem"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "problem")

    @property
    def is_on(self) -> bool:
        """Say whether something is wrong; that the owner does not want it to listen is nothing wrong."""
        stream = self.state_of_stream
        wanted = stream.get("listening", True)
        return bool(wanted) and (not stream.get("online") or stream.get("health") not in {"ok", "disabled"})

    @property
    def extra_state_attributes(self) -> dict[str, Any]:
        """Say what is wrong."""
        return {key: self.state_of_stream.get(key) for key in ("health", "problem")}
