"""A microphone service of the voice assistants' protocol on a port of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Serve = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def service(serve: Serve) -> AsyncIterator[int]:
    """Let `serve` talk to everybody who comes; give the port. Leaving ends every talk."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                await serve(writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    def welcome(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.create_task(talk(writer)))

    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    try:
        async with server:
            yield server.sockets[0].getsockname()[1]
    finally:
        for one in talks:
            one.cancel()
        if talks:
            await asyncio.wait(talks)
