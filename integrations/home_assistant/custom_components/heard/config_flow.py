"""Setting a daemon up: found in the network, or by its address; and again when either has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import voluptuous as vol
from homeassistant.config_entries import ConfigEntry, ConfigFlow, OptionsFlow
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
from homeassistant.util.network import is_ip_address
from yarl import URL

from .client import CannotConnectError, HeardClient, HeardError, InvalidAuthError, NotHeardError, base_url
from .const import (
    CONF_ENTITIES,
    DOMAIN,
    ENTITIES_AUTO,
    ENTITIES_HERE,
    ENTITIES_MQTT,
    MIN_VERSION,
)

if TYPE_CHECKING:
    # Its place has changed over the versions; only checkers look for it.
    from homeassistant.components.zeroconf import ZeroconfServiceInfo
    from homeassistant.data_entry_flow import FlowResult

TOKEN_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
URL_FIELD = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))

_ERRORS = (
    (InvalidAuthError, "invalid_auth"),
    (NotHeardError, "not_heard"),
    (CannotConnectError, "cannot_connect"),
    (HeardError, "refused"),
)


class HeardConfigFlow(ConfigFlow, domain=DOMAIN):
    """Asks for an address and a token, and tries both before it believes them."""

    VERSION = 1

    def __init__(self) -> None:
        self._url = ""
        self._node = ""
        self._entry: ConfigEntry | None = None
        self._said = ""
        """What the daemon said when it refused."""

    @staticmethod
    @callback
    def async_get_options_flow(config_entry: ConfigEntry) -> HeardOptionsFlow:
        """Return the flow for who brings the entities."""
        return HeardOptionsFlow(config_entry)

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Take an address and a token by hand."""
        errors: dict[str, str] = {}
        if user_input is not None:
            status, errors = await self._try(user_input)
            if status is not None:
                await self.async_set_unique_id(status["id"])
                data = _data(user_input)
                self._abort_if_unique_id_configured(updates=data)
                return self.async_create_entry(title=status["node"], data=data)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_address_and_token(), user_input or {}),
            errors=errors,
            description_placeholders={"error": self._said},
        )

    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> FlowResult:
        """Take note of a daemon that announced itself."""
        properties = discovery_info.properties
        if not properties.get("id"):
            return self.async_abort(reason="not_heard")
        scheme = "https" if properties.get("tls") == "1" else "http"
        host = f"[{discovery_info.host}]" if ":" in discovery_info.host else discovery_info.host
        self._url = f"{scheme}://{host}:{discovery_info.port}"
        self._node = properties.get("node") or discovery_info.name.partition(".")[0]
        known = await self.async_set_unique_id(properties["id"])
        # A name that the owner wrote may lead through a proxy: only an address is replaced by another one.
        moved = known is not None and is_ip_address(URL(known.data[CONF_URL]).host or "")
        self._abort_if_unique_id_configured(updates={CONF_URL: self._url} if moved else None)
        self.context["title_placeholders"] = {"name": self._node}
        return await self.async_step_zeroconf_confirm()

    async def async_step_zeroconf_confirm(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Take the token for a daemon that announced itself."""
        errors: dict[str, str] = {}
        if user_input is not None:
            user_input = {**user_input, CONF_URL: self._url}
            status, errors = await self._try(user_input)
            if status is not None and status["id"] != self.unique_id:
                errors = {"base": "another_installation"}
            elif status is not None:
                return self.async_create_entry(title=status["node"], data=_data(user_input))
        return self.async_show_form(
            step_id="zeroconf_confirm",
            data_schema=vol.Schema({vol.Optional(CONF_TOKEN): TOKEN_FIELD}),
            errors=errors,
            description_placeholders={"node": self._node, "url": self._url, "error": self._said},
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> FlowResult:  # noqa: ARG002 - Home Assistant's signature
        """Ask for another token: the daemon no longer knows the old one."""
        self._entry = self._entry_in_context()
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Take another token."""
        assert self._entry is not None
        schema = vol.Schema({vol.Required(CONF_TOKEN): TOKEN_FIELD})
        given = None if user_input is None else {**self._entry.data, **user_input}
        return await self._change("reauth_confirm", schema, given, "reauth_successful")

    async def async_step_reconfigure(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Take another address or token; Home Assistant offers this since 2024.4."""
        self._entry = self._entry_in_context()
        schema = self.add_suggested_values_to_schema(
            _address_and_token(), {CONF_URL: self._entry.data[CONF_URL]}
        )
        given = None
        if user_input is not None:
            given = {**self._entry.data, **user_input}
        return await self._change("reconfigure", schema, given, "reconfigure_successful")

    async def _change(
        self, step: str, schema: vol.Schema, given: dict[str, Any] | None, done: str
    ) -> FlowResult:
        """Show a form until what is given reaches the daemon of this entry, and keep it then."""
        assert self._entry is not None
        errors: dict[str, str] = {}
        if given is not None:
            status, errors = await self._try(given)
            if status is not None and status["id"] != self._entry.unique_id:
                errors = {"base": "another_installation"}
            elif status is not None:
                self.hass.config_entries.async_update_entry(self._entry, data=_data(given))
                self.hass.config_entries.async_schedule_reload(self._entry.entry_id)
                return self.async_abort(reason=done)
        return self.async_show_form(
            step_id=step,
            data_schema=schema,
            errors=errors,
            description_placeholders={"node": self._entry.title, "error": self._said},
        )

    async def _try(self, given: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, str]]:
        """Return what the daemon says of itself, or which error to show in the form."""
        try:
            status = await client_for(self.hass, _data(given)).status()
        except ValueError:
            return None, {CONF_URL: "invalid_url"}
        except HeardError as error:
            self._said = str(error)
            return None, {"base": next(key for kind, key in _ERRORS if isinstance(error, kind))}
        if too_old(status["version"]):
            return None, {"base": "too_old"}
        return status, {}

    def _entry_in_context(self) -> ConfigEntry:
        entry = self.hass.config_entries.async_get_entry(self.context["entry_id"])
        assert entry is not None
        return entry


class HeardOptionsFlow(OptionsFlow):
    """Asks who brings the entities."""

    def __init__(self, entry: ConfigEntry) -> None:
        # Newer versions have `config_entry`, and object when somebody sets it.
        self._entry = entry

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> FlowResult:
        """Ask."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        choice = SelectSelector(
            SelectSelectorConfig(
                options=[ENTITIES_AUTO, ENTITIES_HERE, ENTITIES_MQTT], translation_key=CONF_ENTITIES
            )
        )
        now = self._entry.options.get(CONF_ENTITIES, ENTITIES_AUTO)
        return self.async_show_form(
            step_id="init", data_schema=vol.Schema({vol.Required(CONF_ENTITIES, default=now): choice})
        )


def client_for(hass: HomeAssistant, data: Mapping[str, Any]) -> HeardClient:
    """Return who speaks to the daemon that an entry's data name."""
    return HeardClient(async_get_clientsession(hass), data[CONF_URL], data.get(CONF_TOKEN))


def too_old(version: str) -> bool:
    """Say whether a daemon of this version speaks another language than this component."""
    numbers = version.split(".")[: len(MIN_VERSION)]
    return not all(number.isdigit() for number in numbers) or tuple(map(int, numbers)) < MIN_VERSION


def _address_and_token() -> vol.Schema:
    return vol.Schema({vol.Required(CONF_URL): URL_FIELD, vol.Optional(CONF_TOKEN): TOKEN_FIELD})


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an entry keeps of a form; raises ValueError where the address is none."""
    kept = {CONF_URL: base_url(given[CONF_URL])}
    if token := (given.get(CONF_TOKEN) or "").strip():
        kept[CONF_TOKEN] = token
    return kept
