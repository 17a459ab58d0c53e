"""The actions: teach a sound, say whether an event was right, and try rules on what was heard."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import voluptuous as vol
from homeassistant.const import CONF_ENTITY_ID
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN, TEACH_LAST_S
from .coordinator import HeardCoordinator, coordinators
from .entity import told

CONFIG_ENTRY: Final = "config_entry_id"
_PROFILE: Final = vol.All(cv.string, vol.Match(r"^[a-z0-9][a-z0-9_]{0,63}$"))

TEACH = vol.Schema(
    {
        vol.Optional(CONFIG_ENTRY): cv.string,
        vol.Required("profile"): _PROFILE,
        vol.Exclusive("stream", "heard where"): cv.string,
        vol.Exclusive("event", "heard where"): cv.string,
        vol.Optional("last_s", default=TEACH_LAST_S): vol.All(vol.Coerce(float), vol.Range(min=1, max=600)),
        vol.Optional("description"): cv.string,
        vol.Optional("add"): cv.boolean,
    }
)
FEEDBACK = vol.Schema(
    {
        vol.Optional(CONFIG_ENTRY): cv.string,
        vol.Exclusive("event", "which event"): cv.string,
        vol.Exclusive(CONF_ENTITY_ID, "which event"): cv.entity_id,
        vol.Required("verdict"): vol.In(["right", "wrong"]),
        vol.Optional("apply", default=True): cv.boolean,
    }
)
DRY_RUN = vol.Schema(
    {
        vol.Optional(CONFIG_ENTRY): cv.string,
        vol.Optional("source"): cv.string,
        vol.Required("since"): cv.datetime,
        vol.Optional("until"): cv.datetime,
    }
)


@callback
def register_services(hass: HomeAssistant) -> None:
    """Offer the actions, whether or not a daemon can be reached."""

    async def teach(call: ServiceCall) -> ServiceResponse:
        coordinator = _chosen(hass, call)
        request = {
            key: call.data[key] for key in ("stream", "event", "description", "add") if key in call.data
        }
        if "event" not in request:
            request["last_s"] = call.data["last_s"]
        return await told(coordinator, coordinator.client.teach(call.data["profile"], request))

    async def feedback(call: ServiceCall) -> ServiceResponse:
        coordinator = _chosen(hass, call)
        event, data = _event(hass, call), call.data
        marking = coordinator.client.feedback(event, verdict=data["verdict"], apply=data["apply"])
        return await told(coordinator, marking)

    async def dry_run(call: ServiceCall) -> ServiceResponse:
        coordinator = _chosen(hass, call)
        request: dict[str, Any] = {"since": _utc(call.data["since"])}
        if "until" in call.data:
            request["until"] = _utc(call.data["until"])
        if "source" in call.data:
            request["source"] = call.data["source"]
        return await told(coordinator, coordinator.client.dry_run(request))

    optional, only = SupportsResponse.OPTIONAL, SupportsResponse.ONLY
    hass.services.async_register(DOMAIN, "teach", teach, TEACH, optional)
    hass.services.async_register(DOMAIN, "feedback", feedback, FEEDBACK, optional)
    hass.services.async_register(DOMAIN, "dry_run", dry_run, DRY_RUN, only)


def _chosen(hass: HomeAssistant, call: ServiceCall) -> HeardCoordinator:
    """Return the daemon that a call means: the one that it names, or the only one there is."""
    there = coordinators(hass)
    if (named := call.data.get(CONFIG_ENTRY)) is not None:
        if named not in there:
            raise _refused("entry_not_loaded")
        return there[named]
    if len(there) != 1:
        raise _refused("entry_not_loaded" if not there else "which_entry")
    return next(iter(there.values()))


def _event(hass: HomeAssistant, call: ServiceCall) -> str:
    """Return the id of the event that a call means; an event entity stands for its newest event."""
    if "event" in call.data:
        return str(call.data["event"])
    state = hass.states.get(call.data.get(CONF_ENTITY_ID, ""))
    event = None if state is None else state.attributes.get("id")
    if not event:
        raise _refused("which_event")
    return str(event)


def _utc(moment: datetime) -> str:
    return dt_util.as_utc(moment).isoformat(timespec="milliseconds")


def _refused(key: str) -> ServiceValidationError:
    return ServiceValidationError(_WORDS[key], translation_domain=DOMAIN, translation_key=key)


_WORDS: Final = {
    "entry_not_loaded": "No such heard is set up, or it cannot be reached",
    "which_entry": "There are several heard: say which one with config_entry_id",
    "which_event": "Say which event is meant: its id, or an event entity that has heard something",
}
