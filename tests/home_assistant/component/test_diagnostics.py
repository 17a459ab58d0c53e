"""What is handed to those who help holds no secret."""

from __future__ import annotations

import json

from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.home_assistant.component.conftest import Daemon, asked


async def told(hass: HomeAssistant, entry: MockConfigEntry, client: ClientSessionGenerator) -> dict:
    assert await async_setup_component(hass, "diagnostics", {})
    answer = await (await client()).get(f"/api/diagnostics/config_entry/{entry.entry_id}")
    assert answer.status == 200
    return dict((await answer.json())["data"])


async def test_it_tells_how_everything_stands_and_no_secret(
    hass: HomeAssistant, entry: MockConfigEntry, steady: Daemon, hass_client: ClientSessionGenerator
) -> None:
    """Neither token nor address nor folder is in it; health and versions are."""
    data = await told(hass, entry, hass_client)
    text = json.dumps(data)
    assert steady.token not in text
    assert steady.url not in text
    assert str(steady.folder) not in text
    assert data["available"] is True
    assert data["streams"][0]["stream"] == "kitchen"
    assert data["status"]["version"] == (await asked(hass, steady, "status"))["version"]


async def test_sign_ins_in_addresses_of_microphones_are_not_in_it(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """What a camera's address or an error quotes may hold a password."""
    from custom_components.heard.coordinator import coordinators
    from custom_components.heard.diagnostics import async_get_config_entry_diagnostics

    stream = coordinators(hass)[entry.entry_id].daemon.streams["kitchen"]
    problem = "rtsp://anna:geheim@10.0.0.7/live?key=auchgeheim cannot be opened"
    stream.update(problem=problem, source=problem)
    # Not over HTTP: meanwhile the daemon would have told how the stream really is.
    text = json.dumps(await async_get_config_entry_diagnostics(hass, entry))
    assert "geheim" not in text
    assert "10.0.0.7/live" in text


async def test_a_daemon_that_was_never_reached_has_diagnostics_too(
    hass: HomeAssistant, hass_client: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "http", {})
    entry = MockConfigEntry(domain="heard", data={CONF_URL: "http://hub:1", CONF_TOKEN: "geheim"})
    entry.add_to_hass(hass)
    assert await async_setup_component(hass, "heard", {})
    assert "geheim" not in json.dumps(await told(hass, entry, hass_client))
