"""A real HTTP server on loopback that serves one file, in ranges, and breaks off where it is told to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Thread
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from types import TracebackType


@dataclass
class FileServer:
    """Serves `content` at `url` while it is entered. `break_after` holds bytes for the next responses."""

    name: str
    content: bytes
    break_after: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    """Answer these first, in place of the file."""
    versioned: bool = True
    ranges: list[str | None] = field(default_factory=list)
    """What was asked for, request by request."""
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.name}"

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_get(f"/{self.name}", self._serve)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        _, self.port = runner.addresses[0]
        return runner

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        tag = f'"{sha256(self.content).hexdigest()[:8]}"'
        start = 0
        if asked is not None and request.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        size = len(self.content)
        if start >= size > 0:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = size - start
        if self.versioned:
            response.headers["ETag"] = tag
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
        await response.prepare(request)
        if self.break_after:
            await response.write(self.content[start : start + self.break_after.pop(0)])
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(self.content[start:])
        return response
