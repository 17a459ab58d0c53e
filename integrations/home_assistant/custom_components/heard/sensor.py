"""How loud it is around each stream. These are decibels below full scale, not a sound pressure."""

from __future__ import annotations

from functools import partial

from homeassistant.components.sensor import SensorEntity, SensorStateClass
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HeardCoordinator, coordinators
from .entity import Makers, StreamEntity, keep_entities, stream_key
from .models import Daemon

PARALLEL_UPDATES = 0

LEVELS = ("level_dbfs", "noise_floor_dbfs")


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream its levels."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        return {
            stream_key(stream, level): partial(Level, coordinator, stream, level)
            for stream in daemon.streams
            for level in LEVELS
        }

    keep_entities(coordinator, "sensor", add, wanted)


class Level(StreamEntity, SensorEntity):
    """The level, or the noise floor."""

    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_entity_registry_enabled_default = False
    _attr_native_unit_of_measurement = "dBFS"
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 0

    def __init__(self, coordinator: HeardCoordinator, stream: str, level: str) -> None:
        super().__init__(coordinator, stream, level)
        self._level = level
        self._attr_translation_key = level

    @property
    def native_value(self) -> float | None:
        """Return the level; None in digital silence."""
        value: float | None = self.state_of_stream.get(self._level)
        return value
