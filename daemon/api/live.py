"""What happens, as it happens: as server-sent events, and over a WebSocket.

A listener that does not read is let go, with the reason in the log; nobody else waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Self

from aiohttp import WSCloseCode, WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field

from daemon.api.access import TOKEN
from daemon.api.changing import Changing
from daemon.api.feed import Feed, Listener
from daemon.api.json_text import json_text
from daemon.api.limits import query_as
from daemon.api.problems import Refused
from daemon.api.routes import API, Route
from daemon.api.streams import streams_now
from daemon.api.tokens import Scope
from foundation.errors import StateFolderError
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from types import TracebackType

    from daemon.api.house import House

STREAMS_EVERY_S = 1.0
STILL_HERE_S = 15.0
"""Proxies and browsers take a connection for dead on which nothing comes."""
PING_EVERY_S = 20.0
SEND_WITHIN_S = 10.0
GATHER_S = 0.02
"""What comes so soon behind a message goes with the next one: the first is never held up."""
SEND_BUFFER_BYTES = 65_536
"""What the system holds for one listener: more would only tell later that it does not read."""
CLOSE_WITHIN_S = 5.0
MOST_SAID_BYTES = 4_096
"""Listeners have nothing to say."""
STOPS = "has to: heard stops"
REMOVED = "has a token that was removed"
CLOSE_CODES = {STOPS: WSCloseCode.GOING_AWAY, REMOVED: WSCloseCode.POLICY_VIOLATION}

_log = logging.getLogger(__name__)


class LiveQuery(BaseModel):
    """Where to go on."""

    model_config = ConfigDict(extra="forbid")
    last_event_id: Annotated[int, Field(ge=0, le=2**62)] | None = None
    """The number of the last message that was read: what came since comes first, as far as it is kept."""


class Live:
    """Answers listeners while its `async with` lasts. At most `most` listen at once."""

    def __init__(self, house: House, *, most: int) -> None:
        self._house = house
        self._feed: Feed = house.feed
        self._most = most
        self._open: dict[Listener, str | None] = {}
        self._ticker = OwnedTask()

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="GET", path=f"{API}/live", name="live", scope=Scope.READ, query=LiveQuery,
                summary="What happens, as server-sent events", handler=self.server_sent,
                media=("text/event-stream",), fails=(503,),
            ),
            Route(
                method="GET", path=f"{API}/live/ws", name="live_websocket", scope=Scope.READ, query=LiveQuery,
                summary="What happens, over a WebSocket", handler=self.web_socket, status=101, media=(),
                fails=(426, 503),
            ),
        ]  # fmt: skip

    async def __aenter__(self) -> Self:
        self._house.switches.on_change(Changing(self._house).look)
        await self._ticker.start(self._tick(), name="live streams")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in list(self._open):
            listener.let_go(STOPS)
        # Their handlers say goodbye in their own time, before the server cuts them off.
        await asyncio.sleep(0)
        await self._ticker.stop(error)

    async def server_sent(self, request: web.Request) -> web.StreamResponse:
        """Answer with events until the client leaves or is let go."""
        listener, hello, number = self._listen(request, request.headers.get("Last-Event-ID"))
        try:
            response = web.StreamResponse(
                headers={"Content-Type": "text/event-stream; charset=utf-8", "X-Accel-Buffering": "no"}
            )
            await response.prepare(request)
            _hold_little(request)
            listener.when_let_go(lambda: _abort(request))
            with suppress(ConnectionError):
                await response.write(f"event: hello\nid: {number}\ndata: {hello}\n\n".encode())
                await self._send_events(listener, response)
        finally:
            self._leave(listener)
        return response

    async def web_socket(self, request: web.Request) -> web.StreamResponse:
        """Send messages until the client leaves or is let go."""
        response = web.WebSocketResponse(
            heartbeat=PING_EVERY_S, compress=False, max_msg_size=MOST_SAID_BYTES, timeout=CLOSE_WITHIN_S
        )
        if not response.can_prepare(request):
            raise Refused(426, "this address speaks WebSocket", headers={"Upgrade": "websocket"})
        listener, hello, _ = self._listen(request, None)
        try:
            await response.prepare(request)
            _hold_little(request)
            await response.send_str(hello)
            await self._converse(listener, response)
            code = CLOSE_CODES.get(listener.let_go_because, WSCloseCode.TRY_AGAIN_LATER)
            # What the system still holds for it may never be read.
            asyncio.get_running_loop().call_later(CLOSE_WITHIN_S, _abort, request)
            with suppress(ConnectionError, TimeoutError):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await response.close(code=code, message=listener.let_go_because.encode(), drain=False)
        finally:
            self._leave(listener)
        return response

    async def _converse(self, listener: Listener, response: web.WebSocketResponse) -> None:
        """Return when the client has gone, or was let go."""
        sending = asyncio.create_task(self._send_messages(listener, response))
        reading = asyncio.create_task(_read(response))
        listener.when_let_go(lambda: _cancel(sending))
        try:
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)

    async def _send_events(self, listener: Listener, response: web.StreamResponse) -> None:
        while not listener.let_go_because:
            try:
                async with asyncio.timeout(STILL_HERE_S):
                    messages = await listener.next()
            except TimeoutError:
                await response.write(b": still here\n\n")
                continue
            if messages:
                await self._in_time(listener, response.write(b"".join(each.as_sse for each in messages)))
            await asyncio.sleep(GATHER_S)

    async def _send_messages(self, listener: Listener, response: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            while not listener.let_go_because:
                for message in await listener.next():
                    await self._in_time(listener, response.send_frame(message.as_json, WSMsgType.TEXT))
                await asyncio.sleep(GATHER_S)

    async def _in_time(self, listener: Listener, sending: Any) -> None:
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await sending
        except TimeoutError:
            self._feed.let_go_of(listener, f"did not read for {SEND_WITHIN_S:.0f} s")

    def _listen(self, request: web.Request, last: str | None) -> tuple[Listener, str, int]:
        """Return a listener, what it is greeted with, and behind which message it goes on. Raises Refused."""
        wanted = query_as(request, LiveQuery).last_event_id
        if wanted is None and last is not None and last.isascii() and last.isdigit():
            wanted = min(int(last[:19]), 2**62)
        if len(self._open) >= self._most:
            raise Refused(
                503, f"{self._most} listen already ('max_listeners')", headers={"Retry-After": "10"}
            )
        # Greeted before it is told anything.
        listener, whole = self._feed.listen(request.remote or "somebody", after=wanted)
        self._open[listener] = request.get(TOKEN)
        status = self._house.status()
        # What was missed follows; a listener that breaks off before that has to be told it again.
        number = wanted if wanted is not None and whole else self._feed.number
        hello = {
            "type": "hello",
            "node": status.node,
            "version": status.version,
            "id": status.id,
            "seq": number,
            "resumed": wanted is not None and whole,
            "streams": streams_now(self._house),
        }
        return listener, json_text(hello), number

    def _leave(self, listener: Listener) -> None:
        self._feed.leave(listener)
        self._open.pop(listener, None)

    async def _tick(self) -> None:
        """Tell once a second what the streams sound like, and let go whose token is gone."""
        while True:
            await asyncio.sleep(STREAMS_EVERY_S)
            try:
                if self._open:
                    self._feed.say_in_passing("streams", {"streams": streams_now(self._house)})
                    self._let_go_of_strangers()
            except Exception:  # noqa: BLE001 - live listeners must not end the hearing
                _log.exception("live listeners could not be told how the streams are")

    def _let_go_of_strangers(self) -> None:
        try:
            known = {token.name for token in self._house.tokens.tokens()}
        except StateFolderError:
            known = set()
        for listener, token in list(self._open.items()):
            if token is not None and token not in known:
                self._feed.let_go_of(listener, REMOVED)


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


async def _read(response: web.WebSocketResponse) -> None:
    """Return when the client has closed; what it says is not listened to."""
    async for _ in response:
        pass


def _hold_little(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
