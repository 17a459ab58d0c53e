"""Hands audio from a device's thread to the event loop. The device never waits."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import suppress

import numpy as np

from detectors.types import AudioBlock, Samples


class CallbackQueue:
    """Bounded: when nobody takes them, the oldest blocks are dropped, and counted.

    `accept` and `finish` belong to the device's thread, everything else to the event loop. What was dropped
    shows as a gap in the blocks' `start`, so one thread alone does the counting and no lock is needed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, rate_hz: int, max_blocks: int) -> None:
        self.epoch_s = math.nan
        self.dropped_samples = 0
        self.overflows = 0
        self.finished = False
        self._rate_hz = rate_hz
        self._blocks: deque[AudioBlock] = deque(maxlen=max_blocks)
        self._received = 0
        self._taken = 0
        self._arrived = asyncio.Event()
        self._loop = loop

    def accept(self, frames: Samples, *, overflow: bool) -> None:
        """Copy float32 [n, channels], which the device will overwrite, and wake the taker.

        After an overflow at least one block is missing before these frames; a device does not say how much.
        """
        count = len(frames)
        if math.isnan(self.epoch_s):
            self.epoch_s = time.time() - count / self._rate_hz
        if overflow:
            self.overflows += 1
            self._received += count
        samples: Samples = np.array(frames.T, np.float32, order="C")
        self._blocks.append(AudioBlock(samples=samples, rate_hz=self._rate_hz, start=self._received))
        self._received += count
        self._wake()

    def finish(self) -> None:
        """Note that the device will deliver nothing more."""
        self.finished = True
        self._wake()

    async def take(self) -> AudioBlock | None:
        """Wait for the oldest block; None when the device has finished and nothing is left."""
        while not self._blocks:
            if self.finished:
                return None
            self._arrived.clear()
            # Once more: a block may have come between the look and the clearing.
            if not self._blocks and not self.finished:
                await self._arrived.wait()
        block = self._blocks.popleft()
        self.dropped_samples += block.start - self._taken
        self._taken = block.start + block.samples.shape[1]
        return block

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._arrived.set)
