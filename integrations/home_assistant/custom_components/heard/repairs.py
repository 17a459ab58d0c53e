"""The one repair that can be made here: a token that may do more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import voluptuous as vol
from homeassistant.components.repairs import RepairsFlow
from homeassistant.const import CONF_TOKEN
from homeassistant.core import HomeAssistant

from .client import HeardError, InvalidAuthError
from .config_flow import TOKEN_FIELD, client_for

if TYPE_CHECKING:
    from homeassistant.data_entry_flow import FlowResult


class NewToken(RepairsFlow):
    """Takes a token in the place of one that may too little."""

    def __init__(self, entry_id: str) -> None:
        self._entry_id = entry_id

    async def async_step_init(self, _: dict[str, str] | None = None) -> FlowResult:
        """Begin; what comes here is about the issue."""
        return await self.async_step_token()

    async def async_step_token(self, user_input: dict[str, str] | None = None) -> FlowResult:
        """Ask for a token, and keep it once the daemon knows it."""
        entry = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None:
            return self.async_abort(reason="entry_gone")
        errors = {}
        if user_input is not None:
            data = {**entry.data, CONF_TOKEN: user_input[CONF_TOKEN]}
            try:
                await client_for(self.hass, data).status()
            except InvalidAuthError:
                errors["base"] = "invalid_auth"
            except HeardError:
                errors["base"] = "cannot_connect"
            else:
                self.hass.config_entries.async_update_entry(entry, data=data)
                self.hass.config_entries.async_schedule_reload(entry.entry_id)
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="token",
            data_schema=vol.Schema({vol.Required(CONF_TOKEN): TOKEN_FIELD}),
            errors=errors,
            description_placeholders={"node": entry.title},
        )


async def async_create_fix_flow(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    issue_id: str,  # noqa: ARG001 - there is one kind that can be mended here
    data: dict[str, Any] | None,
) -> RepairsFlow:
    """Return the flow for an issue."""
    return NewToken(str((data or {}).get("entry_id", "")))
