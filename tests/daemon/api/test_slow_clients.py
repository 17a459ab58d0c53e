from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from daemon.api import limits, server
from tests.daemon.api.serving import Asked, serving

if TYPE_CHECKING:
    from pathlib import Path


async def connected(heard: Asked) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = heard.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def test_a_request_that_never_begins_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a head holds a connection for a while only, however slowly more of it drips in."""
    monkeypatch.setattr(server, "HEAD_WITHIN_S", 1)
    async with serving(tmp_path) as heard:
        reader, writer = await connected(heard)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        async with asyncio.timeout(10.0):
            ended = asyncio.create_task(reader.read())
            while not ended.done():
                writer.write(b"X: y\r\n")
                await asyncio.sleep(0.2)
        assert b"200" not in await ended
        writer.close()


async def test_a_body_that_never_ends_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHUNK_WITHIN_S", 0.5)
    async with serving(tmp_path) as heard:
        reader, writer = await connected(heard)
        writer.write(
            b"PATCH /api/v1/streams/yard HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        async with asyncio.timeout(15.0):
            head = await reader.readuntil(b"\r\n")
        assert b" 408 " in head
        writer.close()


async def test_more_connections_than_allowed_are_closed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens thousands cannot use up the daemon's files; when they are gone, others are let in."""
    monkeypatch.setattr(server, "MORE_CONNECTIONS", 2)
    async with serving(tmp_path, api={"max_listeners": 1}) as heard:
        held = [await connected(heard) for _ in range(3)]
        await asyncio.sleep(0.1)
        reader, writer = await connected(heard)
        async with asyncio.timeout(5.0):
            assert await reader.read() == b""
        for _, other in [*held, (reader, writer)]:
            other.close()
        await asyncio.sleep(0.1)
        assert (await heard.get("/api/v1/status")).status == 200
