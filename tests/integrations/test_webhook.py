"""Webhooks, against a server of this test's own."""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from foundation.errors import ActionError, EndpointUnavailable
from integrations.webhook import REQUEST_ID, SIGNATURE, Webhooks, WebhookSettings
from rules.model import WEBHOOK, ActionRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Server:
    """Answers with `status` and remembers what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, dict(request.headers), await request.read()))
        headers = {"Location": "http://example.org/"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=headers)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    server.url = f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def request(url: str, **more: Any) -> ActionRequest:
    data = {"url": url, "method": "POST", "headers": {}, "body": "{}", "content_type": "application/json"}
    return ActionRequest(
        id="0123456789abcdef", rule_id="r", action=WEBHOOK, event=None, due_at=0.0, data=data | more
    )


async def test_a_request_goes_out_signed_and_named() -> None:
    """With the rule's headers, the same id whenever it is sent again, and the HMAC of what it says."""
    async with (
        serving() as server,
        Webhooks(WebhookSettings(secret="key", allow_private=True)) as webhooks,
    ):
        await webhooks.post(request(f"{server.url}/a?x=1", headers={"X-Room": "hall"}, body="hällo"))
    ((method, path, headers, body),) = server.asked
    assert (method, path, body.decode()) == ("POST", "/a", "hällo")
    assert headers["X-Room"] == "hall"
    assert headers[REQUEST_ID] == "0123456789abcdef"
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"key", body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, EndpointUnavailable), (429, EndpointUnavailable), (404, ActionError), (302, ActionError)],
)
async def test_an_answer_tells_whether_to_try_again(status: int, error: type[Exception]) -> None:
    """Where redirections lead is not followed."""
    async with serving() as server, Webhooks(WebhookSettings(allow_private=True)) as webhooks:
        server.status = status
        with pytest.raises(error, match=f"127.0.0.1:[0-9]+ answers {status}$"):
            await webhooks.post(request(f"{server.url}/secret"))


async def test_nobody_there_is_worth_another_try() -> None:
    """Without what stands behind the host, which may be secret."""
    async with serving() as server:
        url = server.url
    async with Webhooks(WebhookSettings(allow_private=True)) as webhooks:
        with pytest.raises(EndpointUnavailable, match=r"^http://127.0.0.1:[0-9]+ does not answer"):
            await webhooks.post(request(f"{url}/secret"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[fe80::1]/",
    ],
)
async def test_the_own_network_is_not_asked_unless_allowed(url: str) -> None:
    """Whether written as an address or as a name that leads to one."""
    async with Webhooks(WebhookSettings()) as webhooks:
        with pytest.raises(ActionError, match="allow_private"):
            await webhooks.post(request(url))


@pytest.mark.parametrize("url", ["", "ftp://a/", "http://", "https://[", "example.org"])
async def test_what_is_no_web_address_is_refused(url: str) -> None:
    """A template may give anything."""
    async with Webhooks(WebhookSettings(allow_private=True)) as webhooks:
        with pytest.raises(ActionError, match="is not a URL"):
            await webhooks.post(request(url))


async def test_a_header_cannot_smuggle_another_in() -> None:
    """A line break in it is refused."""
    async with Webhooks(WebhookSettings(allow_private=True)) as webhooks:
        with pytest.raises(ActionError, match="line break"):
            await webhooks.post(request("http://127.0.0.1/", headers={"X-A": "a\r\nX-B: b"}))


def test_the_key_stays_out_of_logs() -> None:
    """Settings can be shown."""
    assert "geheim" not in repr(WebhookSettings(secret="geheim"))
