"""A daemon whose API answers, and somebody who asks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp

from daemon.app import App
from tests.daemon.home import Witness, configuration, file_stream, parts, recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from daemon.config import Config
    from daemon.parts import Parts

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes
    json: Any
    """None where it is not JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A daemon that is asked over HTTP."""

    url: str
    session: aiohttp.ClientSession
    config: Config
    witness: Witness
    app: App

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """Ask, and read the whole answer."""
        async with self.session.request(method, self.url + path, **options) as response:
            body = await response.read()
            is_json = response.content_type.endswith("json")
            return Answer(
                status=response.status,
                headers=response.headers,
                body=body,
                json=await response.json(content_type=None) if is_json else None,
            )

    async def get(self, path: str, **options: Any) -> Answer:
        """Ask for something."""
        return await self.ask("GET", path, **options)

    async def until_heard(self, count: int) -> None:
        """Wait until so many events were seen."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.witness.events) < count:  # noqa: ASYNC110 - observers are called, they do not wait
                await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(
    folder: Path,
    *,
    api: dict[str, Any] | None = None,
    parts_of: Callable[[Config], Parts] = lambda _config: parts(),
    **settings: Any,
) -> AsyncIterator[Asked]:
    """Run a daemon that hears a whistle again and again, in real time, until this ends."""
    streams = {"yard": file_stream(recording(folder / "yard.wav"), loop=True, realtime=True)}
    config = configuration(
        folder, settings.pop("streams", streams), api={"port": 0, **(api or {})}, **settings
    )
    witness = Witness()
    app = App(config, parts_of(config), observers=[witness])
    task = asyncio.create_task(app.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not witness.is_ready and not task.done():  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
        if task.done():
            await task
        assert app.api is not None
        assert config.api is not None
        url = f"{'http' if config.api.tls is None else 'https'}://127.0.0.1:{app.api.port}"
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Asked(url=url, session=session, config=config, witness=witness, app=app)
    finally:
        app.stop()
        async with asyncio.timeout(PATIENCE_S):
            await task
