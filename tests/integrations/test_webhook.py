"""Webhooks, against a server of this test's own."""

from __future__ import annotations

import asyncio
import hmac
import socket
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from foundation.errors import ActionError, EndpointUnavailable
from integrations import webhook
from integrations.webhook import REQUEST_IDS, SIGNATURE, Webhooks, WebhookSettings, webhook_target
from rules.model import WEBHOOK, ActionRequest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Server:
    """Answers with `status` and remembers what was asked."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers=self.headers)


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
    assert [headers[name] for name in REQUEST_IDS] == ["0123456789abcdef"] * 2
    assert headers[SIGNATURE] == "sha256=" + hmac.new(b"key", body, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("status", "error"),
    [(503, EndpointUnavailable), (429, EndpointUnavailable), (404, ActionError), (302, ActionError)],
)
async def test_an_answer_tells_whether_to_try_again(status: int, error: type[Exception]) -> None:
    """Where redirections lead is not followed."""
    settings = WebhookSettings(allow_private=True)
    async with serving() as server, serving() as other, Webhooks(settings) as webhooks:
        server.status = status
        server.headers["Location"] = other.url
        with pytest.raises(error, match=f"127.0.0.1:[0-9]+ answers {status}$"):
            await webhooks.post(request(f"{server.url}/secret"))
    assert other.asked == []


@pytest.mark.parametrize(("said", "again_after_s"), [("7", 7.0), ("99999999", 3_600.0), ("tomorrow", 0.0)])
async def test_a_service_that_asks_for_patience_is_given_it(said: str, again_after_s: float) -> None:
    """Up to an hour."""
    async with serving() as server, Webhooks(WebhookSettings(allow_private=True)) as webhooks:
        server.status, server.headers = 429, {"Retry-After": said}
        with pytest.raises(EndpointUnavailable) as caught:
            await webhooks.post(request(server.url))
    assert caught.value.again_after_s == again_after_s


async def test_a_service_that_never_answers_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time, however often a little more of the answer comes."""
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.3)

    left = asyncio.Event()

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        with suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Webhooks(WebhookSettings(allow_private=True)) as webhooks, asyncio.timeout(3):
            with pytest.raises(EndpointUnavailable, match=r"does not answer: .*Timeout"):
                await webhooks.post(request(f"http://127.0.0.1:{port}/"))
            await left.wait()


async def test_no_header_of_a_rule_stands_in_for_ours() -> None:
    """However it is written: the signature and the id are what they say."""
    forged = {"x-heard-signature": "sha256=0", "IDEMPOTENCY-KEY": "1", "content-type": "text/csv"}
    async with (
        serving() as server,
        Webhooks(WebhookSettings(secret="key", allow_private=True)) as webhooks,
    ):
        await webhooks.post(request(server.url, headers=forged))
    ((_, _, headers, body),) = server.asked
    lowered = [(name.lower(), value) for name, value in headers.items()]
    signature = "sha256=" + hmac.new(b"key", body, "sha256").hexdigest()
    assert [value for name, value in lowered if name == "x-heard-signature"] == [signature]
    assert [value for name, value in lowered if name == "idempotency-key"] == ["0123456789abcdef"]
    assert [value for name, value in lowered if name == "content-type"] == ["text/csv"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "017700000001",
        "localhost",
        "[::ffff:127.0.0.1]",
    ],
)
async def test_a_server_in_the_own_network_hears_nothing_however_it_is_named(host: str) -> None:
    """C reads some numbers as addresses that no other language does."""
    async with serving() as server, Webhooks(WebhookSettings()) as webhooks:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ActionError, match="allow_private"):
            await webhooks.post(request(f"http://{host}:{port}/"))
    assert server.asked == []


async def test_a_name_that_leads_elsewhere_the_second_time_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The address is looked at once more when the connection is made, whatever was looked up before."""

    async def rebound(
        _: object, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> Any:
        return [
            {
                "hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0,
                "flags": socket.AI_NUMERICHOST,
            }
        ]  # fmt: skip

    monkeypatch.setattr(webhook._PublicResolver, "resolve", rebound)
    async with serving() as server, Webhooks(WebhookSettings()) as webhooks:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ActionError, match="allow_private"):
            await webhooks.post(request(f"http://rebinds.example:{port}/"))
    assert server.asked == []


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("8.8.8.8", False),
        ("2606:4700::1111", False),
        ("::ffff:8.8.8.8", False),
        ("example.org", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("169.254.169.254", True),
        ("224.0.0.1", True),
        ("fe80::1%eth0", True),
        ("fec0::1", True),
        ("2002:7f00:1::", True),
        ("64:ff9b::a00:1", True),
        ("::10.0.0.1", True),
    ],
)
def test_what_belongs_to_the_own_network(host: str, private: bool) -> None:  # noqa: FBT001 - what is expected
    """Addresses within addresses as well."""
    assert webhook._is_private(host) is private


def test_a_target_is_told_without_what_may_be_secret() -> None:
    """And two places on one host are two targets."""
    first, second = webhook_target("https://a.example/secret?x=1"), webhook_target("https://a.example/other")
    assert first != second
    assert first.startswith("https://a.example ")
    assert "secret" not in first


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
