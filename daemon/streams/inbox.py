"""Audio on its way from the captures to the listener: bounded for each stream, in order, never blocking."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.streams.wall_clock import Course
from detectors.types import AudioBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WAITING_S = 5.0
"""Audio of one stream that may wait for a machine that is too slow; beyond it the oldest is dropped."""

PATIENT_WAITING_S = 1.0
"""Audio that a source which can wait, such as a file, sends ahead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A stream begins, or begins anew after it broke off."""

    rate_hz: int
    channels: int
    epoch_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What came from one stream since the last time: it opened, then sounded, then closed."""

    stream: str
    opening: Opening | None
    block: AudioBlock | None
    """All that is contiguous, in one piece."""
    closed: bool
    courses: tuple[Course, ...] = ()
    """By which the time of this audio, and of what follows, is told."""


@dataclass(frozen=True, slots=True)
class _Closing:
    """A stream ends."""


class _Lane:
    """One stream's part."""

    def __init__(self) -> None:
        self.items: deque[Opening | Course | AudioBlock | _Closing] = deque()
        self.waiting_s = 0.0

    def put(self, item: Opening | Course | AudioBlock | _Closing) -> None:
        self.items.append(item)
        if isinstance(item, AudioBlock):
            self.waiting_s += _seconds(item)

    def drop_beyond(self, limit_s: float) -> int:
        """Drop the oldest blocks, but never the newest one; return how many samples went."""
        dropped = 0
        while self.waiting_s > limit_s:
            oldest = next(n for n, item in enumerate(self.items) if isinstance(item, AudioBlock))
            if oldest == len(self.items) - 1:
                break
            block = self.items[oldest]
            assert isinstance(block, AudioBlock)
            del self.items[oldest]
            self.waiting_s -= _seconds(block)
            dropped += block.samples.shape[1]
        return dropped

    def take(self, stream: str) -> Delivery:
        opening: Opening | None = None
        closed = False
        blocks: list[AudioBlock] = []
        courses: list[Course] = []
        while self.items and not closed:
            match self.items[0]:
                case Opening() as item:
                    opening = item
                case Course() as course:
                    courses.append(course)
                case AudioBlock() as block:
                    if blocks and _end(blocks[-1]) != block.start:
                        break
                    blocks.append(block)
                    self.waiting_s -= _seconds(block)
                case _Closing():
                    closed = True
            self.items.popleft()
        return Delivery(
            stream=stream, opening=opening, block=_joined(blocks), closed=closed, courses=tuple(courses)
        )


class Inbox:
    """Collects from many captures for one listener, all on one event loop."""

    def __init__(self, streams: Iterable[str]) -> None:
        self._lanes = {stream: _Lane() for stream in streams}
        self._something = asyncio.Event()
        self._taken = asyncio.Event()
        self._finished = False

    def add(self, stream: str) -> None:
        """Make room for a stream that was not there from the start."""
        self._lanes[stream] = _Lane()

    def remove(self, stream: str) -> None:
        """Forget a stream of which nothing more will come."""
        del self._lanes[stream]

    def opened(self, stream: str, opening: Opening) -> None:
        """Begin `stream`; its blocks follow."""
        self._lanes[stream].put(opening)
        self._something.set()

    def correct(self, stream: str, course: Course) -> None:
        """Tell the time of `stream` by `course` from now on; the blocks that it concerns follow."""
        self._lanes[stream].put(course)

    def put(self, stream: str, block: AudioBlock) -> int:
        """Add `block`; return how many older samples of the stream had to go for it."""
        lane = self._lanes[stream]
        lane.put(block)
        self._something.set()
        return lane.drop_beyond(MAX_WAITING_S)

    def closed(self, stream: str) -> None:
        """End `stream`, until it is opened again."""
        self._lanes[stream].put(_Closing())
        self._something.set()

    async def room(self, stream: str) -> None:
        """Wait until a source that can wait should go on."""
        while self._lanes[stream].waiting_s > PATIENT_WAITING_S:
            self._taken.clear()
            await self._taken.wait()

    def finish(self) -> None:
        """Say that nothing more will come."""
        self._finished = True
        self._something.set()

    async def take(self) -> list[Delivery]:
        """Wait for audio and return it, one delivery to a stream that has some; an empty list is the end."""
        while not (waiting := [name for name, lane in self._lanes.items() if lane.items]):
            if self._finished:
                return []
            self._something.clear()
            await self._something.wait()
        deliveries = [self._lanes[name].take(name) for name in waiting]
        self._taken.set()
        return deliveries


def _seconds(block: AudioBlock) -> float:
    return int(block.samples.shape[1]) / block.rate_hz


def _end(block: AudioBlock) -> int:
    return block.start + int(block.samples.shape[1])


def _joined(blocks: list[AudioBlock]) -> AudioBlock | None:
    if len(blocks) < 2:
        return blocks[0] if blocks else None
    samples = np.concatenate([block.samples for block in blocks], axis=1)
    return AudioBlock(samples=samples, rate_hz=blocks[0].rate_hz, start=blocks[0].start)
