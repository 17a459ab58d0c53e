"""The picture of the newest clip of each stream."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

from homeassistant.components.image import ImageEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.util import dt as dt_util

from .client import HeardError
from .const import LOGGER
from .coordinator import Clip, HeardCoordinator, coordinators
from .entity import Makers, StreamEntity, keep_entities, stream_key
from .models import Daemon

PARALLEL_UPDATES = 0


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream its picture."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        return {
            stream_key(stream, "spectrogram"): partial(Spectrogram, coordinator, stream)
            for stream in daemon.streams
        }

    keep_entities(coordinator, "image", add, wanted)


class Spectrogram(StreamEntity, ImageEntity):
    """Changes when a clip is ready."""

    _attr_content_type = "image/png"
    _attr_translation_key = "spectrogram"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        StreamEntity.__init__(self, coordinator, stream, "spectrogram")
        ImageEntity.__init__(self, coordinator.hass)
        self._event: str | None = None
        self._picture: bytes | None = None

    async def async_added_to_hass(self) -> None:
        """Hear of every clip from now on."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.on_clip(self._ready))

    @property
    def available(self) -> bool:
        """Say whether the daemon can be reached: a picture stays one when the microphone is gone."""
        return self.coordinator.available

    @callback
    def _ready(self, clip: Clip) -> None:
        if clip["stream"] != self.stream:
            return
        self._event, self._picture = clip["id"], None
        self._attr_image_last_updated = dt_util.utcnow()
        self.async_write_ha_state()

    async def async_image(self) -> bytes | None:
        """Return the picture, fetched when somebody wants to see it."""
        if self._picture is None and self._event is not None:
            try:
                response = await self.coordinator.client.open_evidence(self._event, "spectrogram.png")
                async with response:
                    if response.status == HTTPStatus.OK:
                        self._picture = await response.read()
            except HeardError as error:
                LOGGER.debug("no picture of %s: %s", self._event, error)
        return self._picture
