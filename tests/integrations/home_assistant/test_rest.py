"""Calls into Home Assistant's REST interface.

A server of this test's own speaks the part of it that is used, as Home Assistant needs an environment whose
libraries contradict this one's.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from daemon.deciding.home_states import HomeStates
from foundation.errors import ActionError, EndpointUnavailable
from integrations.home_assistant import rest
from integrations.home_assistant.rest import HomeAssistant
from rules.facts import Confirmation, EntityState
from rules.model import ActionRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from rules.facts import Fact

TOKEN = "a-long-lived-token"


class Home:
    """What a Home Assistant knows and was asked."""

    def __init__(self) -> None:
        self.states: dict[str, dict[str, Any]] = {
            "light.desk": {"state": "on", "attributes": {"brightness": 7}}
        }
        self.called: list[tuple[str, Any]] = []
        self.broken = False
        self.elsewhere = ""
        self.hold: asyncio.Event | None = None
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/states/{entity}", self._state)
        app.router.add_post("/api/services/{domain}/{service}", self._service)
        return app

    def _check(self, request: web.Request) -> None:
        if self.broken:
            raise web.HTTPBadGateway
        if self.elsewhere:
            raise web.HTTPMovedPermanently(self.elsewhere)
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise web.HTTPUnauthorized

    async def _state(self, request: web.Request) -> web.Response:
        self._check(request)
        entity = request.match_info["entity"]
        if entity not in self.states:
            return web.json_response({"message": "Entity not found."}, status=404)
        return web.json_response({"entity_id": entity, **self.states[entity]})

    async def _service(self, request: web.Request) -> web.Response:
        self._check(request)
        name = f"{request.match_info['domain']}.{request.match_info['service']}"
        if name == "light.dance":
            return web.json_response({"message": "Service not found."}, status=400)
        self.called.append((name, await request.json()))
        if self.hold is not None:
            await self.hold.wait()
        return web.json_response([])


@asynccontextmanager
async def running(home: Home) -> AsyncIterator[Home]:
    runner = web.AppRunner(home.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    home.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield home
    finally:
        await runner.cleanup()


def request(action: str, **data: Any) -> ActionRequest:
    return ActionRequest(id="1", rule_id="r", action=action, event=None, due_at=0.0, data=data)


async def test_an_action_is_called_with_target_and_data() -> None:
    """Both in one body, as the REST interface wants it."""
    async with running(Home()) as home, HomeAssistant(home.url, TOKEN) as door:
        await door.call(
            request("light.turn_on", target={"entity_id": ["light.desk"]}, data={"flash": "long"})
        )
        await door.call(request("script.x", target=None, data=None))
    assert home.called == [
        ("light.turn_on", {"entity_id": ["light.desk"], "flash": "long"}),
        ("script.x", {}),
    ]


async def test_states_are_asked_for() -> None:
    """What there is not is told apart from what cannot be asked."""
    async with running(Home()) as home, HomeAssistant(home.url, TOKEN) as door:
        assert await door.state("light.desk") == ("on", {"brightness": 7})
        assert await door.state("light.none") is None
        home.broken = True
        with pytest.raises(EndpointUnavailable):
            await door.state("light.desk")


async def test_what_is_refused_is_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong token, an action that there is not; and no message shows the token."""
    caplog.set_level(logging.DEBUG)
    async with running(Home()) as home:
        async with HomeAssistant(home.url, TOKEN) as door:
            with pytest.raises(ActionError, match=r"refuses light\.dance"):
                await door.call(request("light.dance", target=None, data=None))
        async with HomeAssistant(home.url, "another-token") as stranger:
            with pytest.raises(ActionError, match="does not accept the token") as caught:
                await stranger.call(request("light.on", target=None, data=None))
    assert "another-token" not in str(caught.value)
    assert TOKEN not in caplog.text
    assert "another-token" not in caplog.text


async def test_nobody_there_is_worth_another_try() -> None:
    """A Home Assistant that restarts."""
    async with running(Home()) as home:
        url = home.url
    async with HomeAssistant(url, TOKEN) as door:
        with pytest.raises(EndpointUnavailable, match="does not answer"):
            await door.call(request("light.on", target=None, data=None))


async def test_where_a_redirection_leads_gets_neither_the_call_nor_the_token() -> None:
    """It is the owner's to say."""
    async with running(Home()) as home, running(Home()) as other, HomeAssistant(home.url, TOKEN) as door:
        home.elsewhere = f"{other.url}/api/services/light/turn_on"
        with pytest.raises(ActionError, match="leads elsewhere"):
            await door.call(request("light.turn_on", target=None, data=None))
    assert other.called == []


async def test_what_home_assistant_took_and_is_still_at_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A script would start anew; a state can be asked for again."""
    monkeypatch.setattr(rest, "CALL_S", 0.3)
    home = Home()
    home.hold = asyncio.Event()
    async with running(home), HomeAssistant(home.url, TOKEN) as door:
        with pytest.raises(ActionError, match="is not asked again"):
            await door.call(request("script.long", target=None, data=None))
        home.hold.set()
    assert home.called == [("script.long", {})]


async def test_the_surroundings_do_not_lead_the_token_astray(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy of this user's nor a password for the host is used."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with running(Home()) as home, HomeAssistant(home.url, TOKEN) as door:
        assert await door.state("light.desk") == ("on", {"brightness": 7})


async def test_changes_are_told_once_and_confirmed() -> None:
    """An entity that is not there is unavailable, as Home Assistant itself would say."""
    told: list[Fact] = []
    async with running(Home()) as home, HomeAssistant(home.url, TOKEN) as door:
        states = HomeStates(
            door, lambda: {"light.desk", "light.none"}, told.append, now=lambda: 5.0, poll_s=1.0
        )
        await states._look()
        await states._look()
        home.states["light.desk"]["state"] = "off"
        await states._look()
    changes = [fact for fact in told if isinstance(fact, EntityState)]
    assert {(fact.entity_id, fact.state) for fact in changes[:2]} == {
        ("light.desk", "on"),
        ("light.none", "unavailable"),
    }
    assert [(fact.entity_id, fact.state) for fact in changes[2:]] == [("light.desk", "off")]
    assert [fact for fact in told if isinstance(fact, Confirmation)] == [Confirmation(at=5.0)]
