"""Who brings the entities of a daemon: this component, or MQTT discovery; never both."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from .const import CONF_ENTITIES, DOMAIN, ENTITIES_AUTO, ENTITIES_MQTT
from .models import Daemon

_MQTT = "mqtt"


@callback
def brings_entities(hass: HomeAssistant, entry: ConfigEntry, daemon: Daemon) -> bool:
    """Say whether this component should: not where MQTT discovery does, whatever the option says."""
    option = entry.options.get(CONF_ENTITIES, ENTITIES_AUTO)
    if option == ENTITIES_MQTT or discovered(hass, daemon.id):
        return False
    return option != ENTITIES_AUTO or not expected_from_mqtt(hass, daemon)


@callback
def expected_from_mqtt(hass: HomeAssistant, daemon: Daemon) -> bool:
    """Say whether the daemon announces its entities to a broker, and Home Assistant listens to one."""
    announces = bool((daemon.status.get("mqtt") or {}).get("discovery"))
    return announces and bool(hass.config_entries.async_entries(_MQTT))


@callback
def discovered(hass: HomeAssistant, daemon_id: str) -> bool:
    """Say whether MQTT discovery has brought devices of this daemon."""
    devices = dr.async_get(hass).devices.values()
    return any(_is_ours(device, daemon_id) for device in devices)


@callback
def reload_when_it_changes(hass: HomeAssistant, entry: ConfigEntry, daemon_id: str) -> CALLBACK_TYPE:
    """Set the entry up anew when MQTT discovery brings the first device, or takes the last one away."""
    was = discovered(hass, daemon_id)

    @callback
    def look(_: Event) -> None:
        nonlocal was
        if discovered(hass, daemon_id) != was:
            was = not was
            hass.config_entries.async_schedule_reload(entry.entry_id)

    return hass.bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, look)


@callback
def give_up_entities(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Take away what this component brought before: MQTT discovery brings the same under the same names."""
    entities = er.async_get(hass)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        entities.async_remove(entity.entity_id)
    devices = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        devices.async_remove_device(device.id)


@callback
def forget_streams(hass: HomeAssistant, entry: ConfigEntry, daemon: Daemon) -> None:
    """Take away the devices of streams that the daemon no longer has."""
    wanted = {(DOMAIN, daemon.id), *((DOMAIN, f"{daemon.id}/{stream}") for stream in daemon.streams)}
    devices = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        if not device.identifiers & wanted:
            devices.async_remove_device(device.id)


def _is_ours(device: dr.DeviceEntry, daemon_id: str) -> bool:
    return any(
        domain == _MQTT and (name == daemon_id or name.startswith(f"{daemon_id}_"))
        for domain, name, *_ in device.identifiers
    )
