"""Setting up: by hand, as found in the network, again with another token, again with another address."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from homeassistant.components.zeroconf import ZeroconfServiceInfo
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_USER, SOURCE_ZEROCONF, ConfigEntryState
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from tests.home_assistant.component.conftest import Daemon, comes, set_up
from tests.home_assistant.programs import free_port


@pytest.fixture
def known(steady: Daemon) -> dict[str, Any]:
    return dict(steady.ask("status"))


def announced(daemon: Daemon, known: dict[str, Any], **changed: Any) -> ZeroconfServiceInfo:
    properties = {"id": known["id"], "node": "hub", "version": known["version"]}
    return ZeroconfServiceInfo(
        ip_address=ip_address("127.0.0.1"),
        ip_addresses=[ip_address("127.0.0.1")],
        port=daemon.port,
        hostname="heard-0.local.",
        type="_heard._tcp.local.",
        name="hub._heard._tcp.local.",
        properties={**properties, **changed},
    )


async def let_go(hass: HomeAssistant, entry_id: str) -> None:
    await hass.config_entries.async_unload(entry_id)
    await hass.async_block_till_done()


async def test_by_hand_from_a_mistake_to_an_entry(
    hass: HomeAssistant, steady: Daemon, known: dict[str, Any]
) -> None:
    """Each mistake has its own words, the form stays, and the right answer makes the entry."""
    flow = await hass.config_entries.flow.async_init("heard", context={"source": SOURCE_USER})
    assert (flow["type"], flow["errors"]) == (FlowResultType.FORM, {})
    mistakes = [
        ({CONF_URL: f"http://127.0.0.1:{free_port()}", CONF_TOKEN: "x"}, {"base": "cannot_connect"}),
        ({CONF_URL: "ftp://hub", CONF_TOKEN: "x"}, {CONF_URL: "invalid_url"}),
        ({CONF_URL: steady.url, CONF_TOKEN: "wrong"}, {"base": "invalid_auth"}),
        ({CONF_URL: steady.url}, {"base": "invalid_auth"}),
    ]
    for given, errors in mistakes:
        flow = await hass.config_entries.flow.async_configure(flow["flow_id"], given)
        assert flow["errors"] == errors
    given = {CONF_URL: f"127.0.0.1:{steady.port}/", CONF_TOKEN: steady.token}
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], given)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert (flow["title"], flow["data"]) == ("hub", {CONF_URL: steady.url, CONF_TOKEN: steady.token})
    await hass.async_block_till_done()
    assert flow["result"].state is ConfigEntryState.LOADED
    assert flow["result"].unique_id == known["id"]
    await let_go(hass, flow["result"].entry_id)


async def test_what_is_not_heard_is_told_apart(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker
) -> None:
    """Any other web server is none, and nor is a heard of times past: these two are not here to be asked."""
    answers: list[tuple[dict[str, Any], str]] = [
        ({"text": "<html>"}, "not_heard"),
        ({"json": {"hello": "world"}}, "not_heard"),
        ({"json": {"id": "1", "node": "hub", "version": "0.0.9"}}, "too_old"),
        ({"status": 421, "json": {"detail": "add it to 'hosts'"}}, "refused"),
        ({"status": 500}, "cannot_connect"),
    ]
    for answer, error in answers:
        aioclient_mock.clear_requests()
        aioclient_mock.get("http://hub:8765/api/v1/status", **answer)
        flow = await hass.config_entries.flow.async_init(
            "heard", context={"source": SOURCE_USER}, data={CONF_URL: "http://hub:8765"}
        )
        assert flow["errors"] == {"base": error}, answer


async def test_the_same_installation_is_set_up_once(
    hass: HomeAssistant, entry: MockConfigEntry, steady: Daemon
) -> None:
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": SOURCE_USER}, data={CONF_URL: steady.url, CONF_TOKEN: steady.token}
    )
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_found_in_the_network_it_asks_for_a_token_only(
    hass: HomeAssistant, steady: Daemon, known: dict[str, Any]
) -> None:
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": SOURCE_ZEROCONF}, data=announced(steady, known)
    )
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "zeroconf_confirm")
    wrong = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_TOKEN: "wrong"})
    assert wrong["errors"] == {"base": "invalid_auth"}
    done = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_TOKEN: steady.token})
    assert (done["type"], done["data"][CONF_URL]) == (FlowResultType.CREATE_ENTRY, steady.url)
    await hass.async_block_till_done()
    await let_go(hass, done["result"].entry_id)


async def test_another_one_behind_an_announcement_is_not_believed(
    hass: HomeAssistant, steady: Daemon, known: dict[str, Any]
) -> None:
    """Who announces the id of one and answers as another gets no token kept."""
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": SOURCE_ZEROCONF}, data=announced(steady, known, id="0" * 32)
    )
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_TOKEN: steady.token})
    assert flow["errors"] == {"base": "another_installation"}


@pytest.mark.parametrize(
    ("written", "moves"), [("http://127.0.0.1:1", True), ("https://heard.example.org", False)]
)
async def test_a_new_address_replaces_an_address_and_never_a_name(
    hass: HomeAssistant, steady: Daemon, known: dict[str, Any], *, written: str, moves: bool
) -> None:
    """What the owner wrote as a name may lead through a proxy."""
    entry = MockConfigEntry(domain="heard", unique_id=known["id"], data={CONF_URL: written})
    entry.add_to_hass(hass)
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": SOURCE_ZEROCONF}, data=announced(steady, known)
    )
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data[CONF_URL] == (steady.url if moves else written)


async def test_what_announces_no_id_is_not_heard(
    hass: HomeAssistant, steady: Daemon, known: dict[str, Any]
) -> None:
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": SOURCE_ZEROCONF}, data=announced(steady, known, id="")
    )
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "not_heard")


async def test_a_token_that_is_taken_away_is_asked_for_again(hass: HomeAssistant, daemon: Daemon) -> None:
    """While running: the live events end, the flow waits, and the new token sets everything up again."""
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    await hass.async_add_executor_job(daemon.command, "token", "remove", "home-assistant")
    [flow] = await comes(hass.config_entries.flow.async_progress, what="the flow for another token")
    assert (flow["context"]["source"], flow["step_id"]) == (SOURCE_REAUTH, "reauth_confirm")
    wrong = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_TOKEN: "wrong"})
    assert wrong["errors"] == {"base": "invalid_auth"}
    token = await hass.async_add_executor_job(daemon.new_token, "again", "act")
    done = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_TOKEN: token})
    assert (done["type"], done["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    await hass.async_block_till_done()
    assert entry.data == {CONF_URL: daemon.url, CONF_TOKEN: token}
    assert entry.state is ConfigEntryState.LOADED
    await let_go(hass, entry.entry_id)


async def test_a_wrong_token_at_start_asks_for_another(hass: HomeAssistant, steady: Daemon) -> None:
    entry = await set_up(hass, steady, data={CONF_TOKEN: "wrong"})
    assert entry.state is ConfigEntryState.SETUP_ERROR
    [flow] = hass.config_entries.flow.async_progress()
    assert flow["context"]["source"] == SOURCE_REAUTH


async def test_another_address_is_kept_once_the_same_daemon_answers_there(
    hass: HomeAssistant, steady: Daemon, entry: MockConfigEntry
) -> None:
    """The token stays where none is written. Home Assistant itself offers this from 2024.4 on."""
    hass.config_entries.async_update_entry(entry, data={**entry.data, CONF_URL: "http://127.0.0.1:1"})
    flow = await hass.config_entries.flow.async_init(
        "heard", context={"source": "reconfigure", "entry_id": entry.entry_id}
    )
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "reconfigure")
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {CONF_URL: steady.url})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert entry.data == {CONF_URL: steady.url, CONF_TOKEN: steady.token}
    assert entry.state is ConfigEntryState.LOADED
