from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from daemon.api.feed import BACKLOG, MOST_WAITING, Feed
from daemon.api.tokens import Scope, TokenFile
from tests.daemon.api.serving import Asked, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LIVE = "/api/v1/live"
PATIENCE_S = 20.0


async def messages(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str, dict[str, Any]]]:
    """Give kind, number and body of server-sent events."""
    fields: dict[str, str] = {}
    async for line in content:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name:
            fields[name] = value
        elif "data" in fields:
            yield fields["event"], fields.get("id", ""), json.loads(fields["data"])
            fields = {}


@asynccontextmanager
async def listening(heard: Asked, path: str = LIVE, **options: Any) -> AsyncIterator[Any]:
    async with asyncio.timeout(PATIENCE_S), heard.session.get(heard.url + path, **options) as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"
        yield messages(response.content)


async def until(told: Any, wanted: str) -> tuple[str, dict[str, Any]]:
    async for kind, number, body in told:
        assert body["type"] == kind
        if kind == wanted:
            return number, body
    raise AssertionError(wanted)


async def test_a_sound_is_told_as_it_happens(tmp_path: Path) -> None:
    """First who heard is and how its streams are, then each event, and its clip when that is there."""
    async with serving(tmp_path, evidence={"save": "all", "before_s": 1, "after_s": 1}) as heard:
        async with listening(heard) as told:
            _, hello = await until(told, "hello")
            _, event = await until(told, "event")
            _, streams = await until(told, "streams")
            _, clip = await until(told, "clip")

        assert (hello["node"], hello["streams"][0]["stream"]) == ("hub", "yard")
        assert (event["event"]["event_type"], event["event"]["phase"]) == ("whistle", "started")
        assert event["event"]["clip"] == clip["clip"]
        assert streams["streams"][0]["scores"].keys() == {"whistle"}
        for url, media in ((clip["clip"], "audio/flac"), (clip["spectrogram"], "image/png")):
            answer = await heard.ask("GET", url.removeprefix(heard.url))
            assert (answer.status, answer.headers["Content-Type"]) == (200, media)


async def test_a_listener_that_comes_back_misses_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as heard:
        async with listening(heard) as told:
            number, _ = await until(told, "event")
        await heard.until_heard(2)
        async with listening(heard, headers={"Last-Event-ID": number}) as told:
            again, hello = await until(told, "hello")
            later, event = await until(told, "event")

        assert hello["resumed"]
        assert again == number
        assert int(later) == int(number) + 1
        assert event["event"]["phase"] == "ended"


async def test_over_a_web_socket_the_same_is_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as heard:
        async with asyncio.timeout(PATIENCE_S), heard.session.ws_connect(heard.url + LIVE + "/ws") as socket_:
            kinds = [(await socket_.receive_json())["type"]]
            while "event" not in kinds:
                kinds.append((await socket_.receive_json())["type"])
        assert kinds[0] == "hello"

        answer = await heard.get(LIVE + "/ws")
        assert (answer.status, answer.json["title"]) == (426, "Upgrade Required")


async def test_changes_are_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as heard:
        async with listening(heard) as told:
            await until(told, "hello")
            change = {"json": {"threshold": 0.25}}
            assert (await heard.ask("PATCH", "/api/v1/profiles/whistle", **change)).json["threshold"] == 0.25
            _, body = await until(told, "changed")

        assert body["what"] == "switches"


async def test_only_so_many_may_listen(tmp_path: Path) -> None:
    async with serving(tmp_path, api={"max_listeners": 1}) as heard, listening(heard) as told:
        await until(told, "hello")
        answer = await heard.get(LIVE)
        assert (answer.status, answer.json["status"]) == (503, 503)


async def test_whose_token_is_removed_hears_no_more(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "state")
    secret = tokens.add("reader", Scope.READ)
    async with serving(tmp_path, api={"require_token": True}) as heard:
        headers = {"Authorization": f"Bearer {secret}"}
        async with (
            asyncio.timeout(PATIENCE_S),
            heard.session.ws_connect(heard.url + LIVE + "/ws", headers=headers) as socket_,
        ):
            await socket_.receive_json()
            tokens.remove("reader")
            while (await socket_.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert socket_.close_code == aiohttp.WSCloseCode.POLICY_VIOLATION


async def test_stopping_says_goodbye(tmp_path: Path) -> None:
    async with serving(tmp_path) as heard:
        async with asyncio.timeout(PATIENCE_S), heard.session.ws_connect(heard.url + LIVE + "/ws") as socket_:
            await socket_.receive_json()
            heard.app.stop()
            while (await socket_.receive()).type is aiohttp.WSMsgType.TEXT:
                pass
        assert socket_.close_code == aiohttp.WSCloseCode.GOING_AWAY


@pytest.mark.parametrize("path", [LIVE, LIVE + "/ws"])
async def test_who_does_not_read_is_let_go_and_nobody_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Its place is free again, the log says why, and another listener is told all the while."""
    caplog.set_level(logging.WARNING)
    async with serving(tmp_path) as heard:
        assert heard.app.api is not None
        feed = heard.app.api.feed
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.settimeout(0.0)
        host, _, port = heard.url.removeprefix("http://").partition(":")
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, (host, int(port)))
        upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        more = upgrade + key if path.endswith("ws") else ""
        await loop.sock_sendall(deaf, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{more}\r\n".encode())
        async with listening(heard) as told:
            await until(told, "hello")
            async with asyncio.timeout(PATIENCE_S):
                number = 0
                while feed.let_go == 0:
                    feed.say("event", {"event": {"filler": "x" * 2_000, "number": number}})
                    number += 1
                    await asyncio.sleep(0.002 if number % 10 == 0 else 0)
            assert feed.listeners == 1
            feed.say("changed", {"what": "rules"})
            await until(told, "changed")
        deaf.close()
    assert "did not read" in caplog.text


async def test_a_message_is_written_down_once() -> None:
    """All listeners get the very same bytes, and what is told in passing is not kept."""
    feed = Feed()
    first, _ = feed.listen("a")
    second, _ = feed.listen("b")
    feed.say("changed", {"what": "rules"})
    feed.say_in_passing("streams", {"streams": []})

    [one, passing], [other, _] = await first.next(), await second.next()

    assert one.as_sse is other.as_sse
    assert one.as_json is other.as_json
    assert b"id: " not in passing.as_sse
    back, whole = feed.listen("c", after=one.number - 1)
    assert whole
    assert await back.next() == [one]


async def test_what_is_too_long_ago_is_not_known_whole() -> None:
    feed = Feed()
    begin = feed.number
    for _ in range(BACKLOG + 1):
        feed.say("changed", {"what": "rules"})

    assert not feed.listen("a", after=begin)[1]
    assert not feed.listen("b", after=feed.number + 1)[1]
    assert not feed.listen("c", after=0)[1]
    assert feed.listen("d", after=feed.number)[1]
    assert feed.listen("e", after=feed.number - MOST_WAITING)[1]
    listener, whole = feed.listen("f", after=feed.number - MOST_WAITING - 1)
    assert not whole
    assert len(await listener.next()) == MOST_WAITING
