"""From which score on each profile counts as heard."""

from __future__ import annotations

from functools import partial

from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HeardCoordinator, coordinators
from .entity import HeardEntity, Makers, keep_entities, told
from .models import Daemon

PARALLEL_UPDATES = 1


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every profile its threshold."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        return {
            _key(profile): partial(Threshold, coordinator, profile)
            for profile, known in daemon.profiles.items()
            if known.get("threshold") is not None
        }

    keep_entities(coordinator, "number", add, wanted)


class Threshold(HeardEntity, NumberEntity):
    """Lower: heard more often, and wrongly more often."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_mode = NumberMode.SLIDER
    _attr_native_max_value = 1.0
    _attr_native_min_value = 0.0
    _attr_native_step = 0.01
    _attr_translation_key = "threshold"

    def __init__(self, coordinator: HeardCoordinator, profile: str) -> None:
        super().__init__(coordinator, _key(profile), coordinator.daemon.node, "threshold", profile)
        self._profile = profile
        self._attr_translation_placeholders = {"profile": profile.replace("_", " ").capitalize()}

    @property
    def native_value(self) -> float | None:
        """Return the threshold in force."""
        value: float | None = self.coordinator.daemon.profiles.get(self._profile, {}).get("threshold")
        return value

    async def async_set_native_value(self, value: float) -> None:
        """Let another threshold be in force."""
        await told(self.coordinator, self.coordinator.client.set_threshold(self._profile, value))
        await told(self.coordinator, self.coordinator.refresh())


def _key(profile: str) -> str:
    return f"profile/{profile}/threshold"
