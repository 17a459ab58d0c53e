"""What all entities share: the device they belong to, when they are available, and how they come and go."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.util import slugify

from .client import ForbiddenError, HeardError
from .const import DOMAIN
from .coordinator import HeardCoordinator
from .issues import token_may_too_little
from .models import Daemon

_T = TypeVar("_T")

Makers = Mapping[str, Callable[[], "HeardEntity"]]
"""How to make each entity, by the key that it gives to HeardEntity."""


class HeardEntity(Entity):
    """Follows a daemon; belongs to the daemon's own device."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, coordinator: HeardCoordinator, key: str, *words: str) -> None:
        self.coordinator = coordinator
        self.suggestion = slugify(" ".join(("heard", *words)))
        """What its entity id begins as: the same in every language, and the same as from MQTT discovery."""
        self._attr_unique_id = f"{coordinator.daemon.id}/{key}"
        self._attr_device_info = node_device(coordinator.daemon)

    async def async_added_to_hass(self) -> None:
        """Follow the daemon from now on."""
        await super().async_added_to_hass()
        self.async_on_remove(self.coordinator.on_update(self._updated))

    @property
    def available(self) -> bool:
        """Say whether the daemon can be reached."""
        return self.coordinator.available

    @callback
    def _updated(self) -> None:
        self.async_write_ha_state()


class StreamEntity(HeardEntity):
    """Belongs to one stream: a microphone or a feed."""

    def __init__(self, coordinator: HeardCoordinator, stream: str, key: str) -> None:
        word = key.rpartition("/")[2].removesuffix("_dbfs")
        super().__init__(coordinator, stream_key(stream, key), stream, word)
        self.stream = stream
        self._attr_device_info = stream_device(coordinator.daemon, stream)

    @property
    def state_of_stream(self) -> Mapping[str, Any]:
        """How the stream stands; empty where the daemon no longer has it."""
        return self.coordinator.daemon.streams.get(self.stream, {})

    @property
    def available(self) -> bool:
        """Say whether audio comes from the stream."""
        return super().available and bool(self.state_of_stream.get("online"))


def stream_key(stream: str, key: str) -> str:
    """Return what `key` of a stream is called among all keys of its daemon."""
    return f"stream/{stream}/{key}"


def node_device(daemon: Daemon) -> DeviceInfo:
    """Describe the daemon."""
    return DeviceInfo(
        identifiers={(DOMAIN, daemon.id)},
        name=f"heard {daemon.node}",
        manufacturer="heard",
        model="daemon",
        sw_version=daemon.version,
        entry_type=DeviceEntryType.SERVICE,
    )


def stream_device(daemon: Daemon, stream: str) -> DeviceInfo:
    """Describe a stream of the daemon."""
    return DeviceInfo(
        identifiers={(DOMAIN, f"{daemon.id}/{stream}")},
        name=f"heard {stream}",
        manufacturer="heard",
        model="stream",
        via_device=(DOMAIN, daemon.id),
    )


@callback
def keep_entities(
    coordinator: HeardCoordinator,
    platform: str,
    add: AddEntitiesCallback,
    wanted: Callable[[Daemon], Makers],
) -> None:
    """Add the entities that the daemon has a reason for, now and later, and remove those it has none for."""
    there: set[str] = set()

    @callback
    def look() -> None:
        makers = wanted(coordinator.daemon)
        new = [make() for key, make in makers.items() if key not in there]
        for entity in new:
            entity.entity_id = f"{platform}.{entity.suggestion}"
        add(new)
        for key in there - makers.keys():
            _forget(coordinator.hass, platform, f"{coordinator.daemon.id}/{key}")
        there.clear()
        there.update(makers)

    there.update(_registered(coordinator, platform) - wanted(coordinator.daemon).keys())
    look()
    coordinator.entry.async_on_unload(coordinator.on_update(look))


async def told(coordinator: HeardCoordinator, work: Awaitable[_T]) -> _T:
    """Await a request to the daemon; what goes wrong is told to whoever clicked."""
    try:
        return await work
    except ForbiddenError as error:
        token_may_too_little(coordinator.hass, coordinator.entry)
        raise HomeAssistantError(
            str(error), translation_domain=DOMAIN, translation_key="token_may_too_little"
        ) from error
    except HeardError as error:
        raise HomeAssistantError(
            str(error),
            translation_domain=DOMAIN,
            translation_key="request_failed",
            translation_placeholders={"error": str(error)},
        ) from error


def _registered(coordinator: HeardCoordinator, platform: str) -> set[str]:
    """Return the keys of the entities that earlier runs left in the registry."""
    begin = f"{coordinator.daemon.id}/"
    entries = er.async_entries_for_config_entry(er.async_get(coordinator.hass), coordinator.entry.entry_id)
    return {
        entry.unique_id.removeprefix(begin)
        for entry in entries
        if entry.domain == platform and entry.unique_id.startswith(begin)
    }


def _forget(hass: HomeAssistant, platform: str, unique_id: str) -> None:
    registry = er.async_get(hass)
    if entity_id := registry.async_get_entity_id(platform, DOMAIN, unique_id):
        registry.async_remove(entity_id)
