"""Two buttons for each stream: teach what was just heard, and take back what was heard wrongly."""

from __future__ import annotations

from functools import partial
from typing import Any

from homeassistant.components.button import ButtonEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.util import dt as dt_util

from .const import DOMAIN, TEACH_LAST_S
from .coordinator import HeardCoordinator, coordinators
from .entity import Makers, StreamEntity, keep_entities, stream_key, told
from .models import Daemon

PARALLEL_UPDATES = 1


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream its buttons."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        makers: dict[str, Any] = {}
        for stream in daemon.streams:
            makers[stream_key(stream, "teach")] = partial(Teach, coordinator, stream)
            makers[stream_key(stream, "false_alarm")] = partial(FalseAlarm, coordinator, stream)
        return makers

    keep_entities(coordinator, "button", add, wanted)


class Teach(StreamEntity, ButtonEntity):
    """Teaches a new profile from the last seconds; `heard.teach` gives it a name of one's own."""

    _attr_translation_key = "teach"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "teach")

    async def async_press(self) -> None:
        """Teach."""
        name = f"taught_{dt_util.now():%Y%m%d_%H%M%S}"
        request = {
            "stream": self.stream,
            "last_s": TEACH_LAST_S,
            "description": "Taught with a button in Home Assistant",
        }
        await told(self.coordinator, self.coordinator.client.teach(name, request))


class FalseAlarm(StreamEntity, ButtonEntity):
    """Says of the newest sound that it was heard wrongly: it becomes a counter-example."""

    _attr_translation_key = "false_alarm"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "false_alarm")

    async def async_press(self) -> None:
        """Mark the newest sound."""
        newest = self.coordinator.newest.get(self.stream)
        if newest is None:
            raise HomeAssistantError(
                "nothing was heard since Home Assistant follows this stream",
                translation_domain=DOMAIN,
                translation_key="nothing_heard",
            )
        marking = self.coordinator.client.feedback(newest["id"], verdict="wrong", apply=True)
        await told(self.coordinator, marking)
