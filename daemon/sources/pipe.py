"""Raw PCM from standard input, a FIFO, or a command such as arecord."""

from __future__ import annotations

import asyncio
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from daemon.sources import STALL_S
from daemon.sources.inlets import CommandInlet, Inlet, PathInlet
from daemon.sources.pcm import PcmReader, SampleFormat
from detectors.types import AudioBlock
from foundation.errors import SourceStalled

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType


class PipeSource:
    """Decodes what an inlet delivers; a frame that is split between two reads is put together again.

    Standard input and plain files end; a FIFO whose writer left, and a command that ended, have stalled.
    Nothing is dropped here: a reader that falls behind makes the writer wait.
    """

    def __init__(
        self,
        origin: Path | tuple[str, ...],
        *,
        rate_hz: int,
        channels: int = 1,
        sample_format: SampleFormat = SampleFormat.S16LE,
        stall_s: float = STALL_S,
    ) -> None:
        """Read from `origin`: a FIFO's path, `-` for standard input, or a command as an argument list."""
        self.rate_hz = rate_hz
        self.channels = channels
        self.epoch_s = math.nan
        self.dropped_samples = 0
        self.ended = False
        self._sample_format = sample_format
        self._stall_s = stall_s
        self._inlet: Inlet = PathInlet(origin) if isinstance(origin, Path) else CommandInlet(origin)

    async def __aenter__(self) -> Self:
        await self._inlet.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inlet.close()

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield one block for each piece that arrives."""
        decode = PcmReader(self._sample_format, self.channels)
        start = 0
        while piece := await self._read():
            samples = decode.take(piece)
            count = samples.shape[1]
            if not count:
                continue
            if not start:
                self.epoch_s = time.time() - count / self.rate_hz
            yield AudioBlock(samples=samples, rate_hz=self.rate_hz, start=start)
            start += count
        if self._inlet.is_live:
            raise SourceStalled(await self._inlet.why_it_ended())
        self.ended = True

    async def _read(self) -> bytes:
        try:
            async with asyncio.timeout(self._stall_s):
                return await self._inlet.read()
        except TimeoutError:
            message = f"{self._inlet.name} delivered nothing for {self._stall_s:g} s"
            raise SourceStalled(message) from None
