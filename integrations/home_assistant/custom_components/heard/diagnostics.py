"""What the owner can hand to whoever helps: how everything stands, without secrets and never with audio."""

from __future__ import annotations

import re
from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant

from .coordinator import coordinators

_SECRET_KEYS = {
    CONF_TOKEN,
    CONF_URL,
    "api",
    "unique_id",
    "id",
    "state_dir",
    "path",
    "url",
    "file",
    "description",
}
_REDACTED = "**REDACTED**"
_URL_LOGIN = re.compile(r"(?<=://)[^/\s@]+@")
_URL_QUERY = re.compile(r"(?<=[\w/])\?[^\s\"']*")


async def async_get_config_entry_diagnostics(hass: HomeAssistant, entry: ConfigEntry) -> dict[str, Any]:
    """Return what is known of a daemon."""
    coordinator = coordinators(hass).get(entry.entry_id)
    told: dict[str, Any] = {"entry": {"data": dict(entry.data), "options": dict(entry.options)}}
    if coordinator is not None:
        daemon = coordinator.daemon
        told |= {
            "available": coordinator.available,
            "brings_entities": coordinator.brings_entities,
            "status": dict(daemon.status),
            "streams": [dict(stream) for stream in daemon.streams.values()],
            "profiles": [dict(profile) for profile in daemon.profiles.values()],
            "rules": [dict(rule) for rule in daemon.rules.values()],
        }
    secrets = [secret for secret in (entry.data.get(CONF_TOKEN),) if secret]
    redacted: dict[str, Any] = _without(async_redact_data(told, _SECRET_KEYS), secrets)
    return redacted


def _without(value: Any, secrets: list[str]) -> Any:
    """Return a value in which no text holds a secret, nor the sign-in or the query of a URL."""
    if isinstance(value, dict):
        return {key: _without(part, secrets) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without(part, secrets) for part in value]
    if not isinstance(value, str):
        return value
    for secret in secrets:
        value = value.replace(secret, _REDACTED)
    return _URL_QUERY.sub(f"?{_REDACTED}", _URL_LOGIN.sub(f"{_REDACTED}@", value))
