"""Serves profiles as wake words: a satellite sends what it hears, and is told when one of them sounded."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from wyoming.error import Error

from foundation.errors import AddressError
from integrations.wyoming.talk import TAKEN_S, Talk
from integrations.wyoming.wire import MAX_LINE_BYTES, NotWyoming, write_event

if TYPE_CHECKING:
    from types import TracebackType

    from integrations.wyoming.ears import Ears

LAST_WORDS_S = 1.0
"""How long a satellite that is sent away may take to read why."""

MAX_REFUSALS = 16
"""Who comes while so many are being told that there is no place is not even told."""

_log = logging.getLogger(__name__)


class WakeServer:
    """Listens at an address between `async with` and its end. Each satellite has an ear of its own."""

    def __init__(self, host: str, port: int, ears: Ears, *, version: str, max_clients: int) -> None:
        self._host, self._port = host, port
        self._ears = ears
        self._version = version
        self._max_clients = max_clients
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._refusals: set[asyncio.Task[None]] = set()
        self.detections = 0
        self.refused = 0
        """Satellites that came when there were as many as there may be."""

    @property
    def clients(self) -> int:
        """How many are connected."""
        return len(self._talks)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens; the port is the system's choice where 0 was asked for."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def __aenter__(self) -> Self:
        try:
            self._server = await asyncio.start_server(
                self._welcome, self._host, self._port, limit=MAX_LINE_BYTES
            )
        except OSError as error:
            raise AddressError(
                f"wyoming.wake cannot listen at {self._host}:{self._port}: {error.strerror or error}; "
                "another 'host' or 'port' may be free"
            ) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        going = self._talks | self._refusals
        for task in going:
            task.cancel()
        if going:
            await asyncio.wait(going)

    def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._refusals) >= MAX_REFUSALS:
            writer.transport.abort()
            return
        full = len(self._talks) >= self._max_clients
        task = asyncio.create_task(self._refuse(writer) if full else self._talk(reader, writer))
        tasks = self._refusals if full else self._talks
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _refuse(self, writer: asyncio.StreamWriter) -> None:
        self.refused += 1
        _log.warning("a satellite was turned away: there are %d already", self._max_clients)
        text = f"{self._max_clients} satellites are connected already"
        with suppress(TimeoutError, ConnectionError):
            await write_event(writer, Error(text=text, code="busy").event(), within_s=TAKEN_S)
        await _hang_up(writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        # A satellite that lost its power would hold its place for ever.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        talk = Talk(self._ears, writer, version=self._version, detected=self._detected)
        try:
            await talk.serve(reader)
        except* TimeoutError:
            _log.warning("the satellite %s neither spoke nor listened in time, and was disconnected", peer)
        except* NotWyoming as errors:
            _log.warning("the satellite %s sent %s, and was disconnected", peer, errors.exceptions[0])
        except* ConnectionError:
            _log.debug("the satellite %s has gone", peer)
        finally:
            await _hang_up(writer)

    def _detected(self) -> None:
        self.detections += 1


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(LAST_WORDS_S):
            await writer.wait_closed()
    except (TimeoutError, ConnectionError):
        # Whoever does not read keeps no connection open with what was meant for it.
        writer.transport.abort()
