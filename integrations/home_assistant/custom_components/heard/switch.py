"""Whether a stream listens, and whether a rule may fire."""

from __future__ import annotations

from functools import partial
from typing import Any

from homeassistant.components.switch import SwitchEntity
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddEntitiesCallback

from .coordinator import HeardCoordinator, coordinators
from .entity import HeardEntity, Makers, StreamEntity, keep_entities, stream_key, told
from .models import Daemon

PARALLEL_UPDATES = 1


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry, add: AddEntitiesCallback) -> None:
    """Give every stream and every rule its switch."""
    coordinator = coordinators(hass)[entry.entry_id]

    def wanted(daemon: Daemon) -> Makers:
        makers: dict[str, Any] = {
            stream_key(stream, "listening"): partial(Listening, coordinator, stream)
            for stream in daemon.streams
        }
        for rule in daemon.rules:
            makers[f"rule/{rule}"] = partial(RuleEnabled, coordinator, rule)
        return makers

    keep_entities(coordinator, "switch", add, wanted)


class Listening(StreamEntity, SwitchEntity):
    """Off: what the stream hears is neither looked at nor kept."""

    _attr_translation_key = "listening"

    def __init__(self, coordinator: HeardCoordinator, stream: str) -> None:
        super().__init__(coordinator, stream, "listening")

    @property
    def available(self) -> bool:
        """Say whether the daemon can be reached: it can be told to listen before audio comes."""
        return self.coordinator.available and bool(self.state_of_stream)

    @property
    def is_on(self) -> bool:
        """Say whether it listens."""
        return bool(self.state_of_stream.get("listening"))

    async def async_turn_on(self, **_: Any) -> None:
        """Let it listen."""
        await self._set(on=True)

    async def async_turn_off(self, **_: Any) -> None:
        """Let it not listen."""
        await self._set(on=False)

    async def _set(self, *, on: bool) -> None:
        await told(self.coordinator, self.coordinator.client.set_listening(self.stream, on=on))
        await told(self.coordinator, self.coordinator.refresh())


class RuleEnabled(HeardEntity, SwitchEntity):
    """Off: the rule does not fire."""

    _attr_entity_category = EntityCategory.CONFIG
    _attr_translation_key = "rule"

    def __init__(self, coordinator: HeardCoordinator, rule: str) -> None:
        super().__init__(coordinator, f"rule/{rule}", coordinator.daemon.node, "rule", rule)
        self._rule = rule
        alias = coordinator.daemon.rules[rule].get("alias") or rule
        self._attr_translation_placeholders = {"rule": alias}

    @property
    def is_on(self) -> bool:
        """Say whether the rule may fire."""
        return bool(self.coordinator.daemon.rules.get(self._rule, {}).get("enabled"))

    async def async_turn_on(self, **_: Any) -> None:
        """Let it fire."""
        await self._set(on=True)

    async def async_turn_off(self, **_: Any) -> None:
        """Keep it from firing."""
        await self._set(on=False)

    async def _set(self, *, on: bool) -> None:
        await told(self.coordinator, self.coordinator.client.set_rule_enabled(self._rule, on=on))
        await told(self.coordinator, self.coordinator.refresh())
