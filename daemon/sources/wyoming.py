"""A microphone that another machine serves over the voice assistants' protocol, Wyoming."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from daemon.sources import STALL_S
from daemon.sources.pcm import PcmReader, sample_format_of
from detectors.types import AudioBlock
from foundation.errors import AudioDeviceError, SourceStalled
from integrations.wyoming.wire import MAX_LINE_BYTES, NotWyoming, audio_format, read_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from wyoming.event import Event

    from integrations.wyoming.wire import PcmFormat

AUDIO_START, AUDIO_CHUNK, AUDIO_STOP = "audio-start", "audio-chunk", "audio-stop"


class WyomingSource:
    """Takes what a `mic` service sends; how it is written is learnt from the first audio that comes.

    When the service stops or changes how it writes, the stream has stalled and is opened anew: time lost in
    between is then not counted as sound. Nothing is dropped here: a service that is not heard in time waits.
    """

    def __init__(self, host: str, port: int, *, stall_s: float = STALL_S) -> None:
        self.rate_hz = 0
        self.channels = 0
        self.epoch_s = math.nan
        self.dropped_samples = 0
        self.ended = False
        self._host, self._port = host, port
        self._name = f"the microphone service at {host}:{port}"
        self._stall_s = stall_s
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._format: PcmFormat | None = None
        self._first: Event | None = None

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(self._stall_s):
                self._streams = await asyncio.open_connection(self._host, self._port, limit=MAX_LINE_BYTES)
        except TimeoutError:
            raise SourceStalled(f"{self._name} did not answer within {self._stall_s:g} s") from None
        except OSError as error:
            raise SourceStalled(f"{self._name} cannot be reached: {error.strerror or error}") from error
        try:
            await self._begin()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield one block for each chunk that arrives."""
        assert self._format is not None
        decode = PcmReader(sample_format_of(self._format.width_bytes), self._format.channels)
        start = 0
        event, self._first = self._first, None
        while True:
            if event is not None and event.type == AUDIO_CHUNK and event.payload:
                samples = decode.take(event.payload)
                count = samples.shape[1]
                if not start:
                    self.epoch_s = time.time() - count / self.rate_hz
                if count:
                    yield AudioBlock(samples=samples, rate_hz=self.rate_hz, start=start)
                start += count
            event = await self._audio()
            if self._format_of(event) != self._format:
                raise SourceStalled(f"{self._name} went on with audio of another format")

    async def _begin(self) -> None:
        """Wait until the service says how its audio is written."""
        self._first = await self._audio()
        self._format = self._format_of(self._first)
        self.rate_hz, self.channels = self._format.rate_hz, self._format.channels

    async def _audio(self) -> Event:
        """Return the next event that begins or carries audio."""
        assert self._streams is not None
        try:
            async with asyncio.timeout(self._stall_s):
                while True:
                    event = await read_event(self._streams[0])
                    if event is None:
                        raise SourceStalled(f"{self._name} closed the connection")
                    if event.type == AUDIO_STOP:
                        raise SourceStalled(f"{self._name} stopped its audio")
                    if event.type in {AUDIO_START, AUDIO_CHUNK}:
                        return event
        except TimeoutError:
            raise SourceStalled(f"{self._name} delivered nothing for {self._stall_s:g} s") from None
        except NotWyoming as error:
            raise self._no_microphone(error) from error

    def _format_of(self, event: Event) -> PcmFormat:
        try:
            return audio_format(event)
        except NotWyoming as error:
            raise self._no_microphone(error) from error

    def _no_microphone(self, error: NotWyoming) -> AudioDeviceError:
        return AudioDeviceError(
            f"{self._name} sent {error}; 'uri' must name a Wyoming service with a microphone"
        )

    async def _close(self) -> None:
        if self._streams is None:
            return
        writer = self._streams[1]
        self._streams = None
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
