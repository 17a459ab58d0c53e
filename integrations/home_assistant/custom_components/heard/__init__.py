"""heard in Home Assistant: entities where no broker brings them, clips, actions, repairs and diagnostics."""

from __future__ import annotations

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.typing import ConfigType

from .client import HeardError, InvalidAuthError
from .config_flow import client_for, too_old
from .const import DOMAIN
from .coordinator import HeardCoordinator, coordinators, read_daemon
from .entity import node_device
from .issues import forget_issues, show_issues
from .ownership import brings_entities, forget_streams, give_up_entities, reload_when_it_changes
from .services import register_services
from .views import EvidenceView

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SENSOR,
    Platform.SWITCH,
)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001 - Home Assistant's signature
    """Offer what does not belong to one daemon: the actions, and the way to the clips."""
    register_services(hass)
    hass.http.register_view(EvidenceView(hass))
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Follow a daemon from now on."""
    client = client_for(hass, entry.data)
    try:
        daemon = await read_daemon(client)
    except InvalidAuthError as error:
        raise ConfigEntryAuthFailed(str(error)) from error
    except HeardError as error:
        raise ConfigEntryNotReady(str(error)) from error
    if daemon.id != entry.unique_id:
        raise ConfigEntryError(f"another installation of heard answers there: {daemon.node}")
    if too_old(daemon.version):
        raise ConfigEntryError(f"heard {daemon.version} is too old for this component: upgrade the daemon")
    coordinator = HeardCoordinator(hass, entry, client, daemon)
    coordinators(hass)[entry.entry_id] = coordinator
    _look_after(coordinator)
    if brings_entities(hass, entry, daemon):
        dr.async_get(hass).async_get_or_create(config_entry_id=entry.entry_id, **node_device(daemon))
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        coordinator.brings_entities = True
    else:
        give_up_entities(hass, entry)
    entry.async_create_background_task(hass, coordinator.follow(), f"follow heard {daemon.node}")
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Let a daemon go."""
    coordinator = coordinators(hass)[entry.entry_id]
    if coordinator.brings_entities and not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    del coordinators(hass)[entry.entry_id]
    return True


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Leave nothing behind."""
    forget_issues(hass, entry)


@callback
def _look_after(coordinator: HeardCoordinator) -> None:
    """Keep issues and devices true, and who brings the entities."""
    hass, entry = coordinator.hass, coordinator.entry

    @callback
    def look() -> None:
        show_issues(hass, entry, coordinator.daemon, coordinator.gone())
        if coordinator.brings_entities:
            forget_streams(hass, entry, coordinator.daemon)
            if not brings_entities(hass, entry, coordinator.daemon):
                hass.config_entries.async_schedule_reload(entry.entry_id)

    look()
    entry.async_on_unload(coordinator.on_update(look))
    entry.async_on_unload(reload_when_it_changes(hass, entry, coordinator.daemon.id))
    options = dict(entry.options)

    async def reload_for_options(hass: HomeAssistant, entry: ConfigEntry) -> None:
        # Whoever changes the address or the token sets the entry up anew by itself.
        if dict(entry.options) != options:
            hass.config_entries.async_schedule_reload(entry.entry_id)

    entry.async_on_unload(entry.add_update_listener(reload_for_options))
