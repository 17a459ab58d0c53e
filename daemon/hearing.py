"""Carries what the captures bring through the pipeline, in one worker thread, so that the loop stays free."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from daemon.learning.ear import Ear, Remembered
    from daemon.pipeline import Pipeline, StreamReading
    from daemon.streams.inbox import Delivery, Inbox
    from detectors.types import SoundEvent
    from fewshot_profiles.matcher import Matcher

GATHER_S = 0.01
"""With several streams, waiting this long for the others' blocks lets one call of the encoder serve many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of one round through the pipeline."""

    events: tuple[SoundEvent, ...]
    readings: Mapping[str, StreamReading]
    """What the streams of this round sound like now."""
    closed: tuple[str, ...]
    """Streams that ended with this round."""
    decided_on: tuple[Remembered, ...] = ()
    """What the events were decided on."""


class Orders:
    """What others want done to the pipeline; it is done between two rounds, in the worker's thread."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Matcher, asyncio.Future[None]]] = deque()

    def listen_for(self, matcher: Matcher) -> asyncio.Future[None]:
        """Ask for other profiles; the future is done when they are listened for."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((matcher, done))
        return done

    def take(self) -> list[tuple[Matcher, asyncio.Future[None]]]:
        """Return what was asked for, the oldest first, once."""
        waiting = list(self._waiting)
        self._waiting.clear()
        return waiting


async def hear(
    inbox: Inbox, pipeline: Pipeline, *, gather: bool, orders: Orders | None = None, ear: Ear | None = None
) -> AsyncIterator[Heard]:
    """Yield what is heard until the inbox is finished. Nothing else may touch the pipeline meanwhile."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="hear") as worker:
        while deliveries := await inbox.take():
            asked = [] if orders is None else orders.take()
            matcher = asked[-1][0] if asked else None
            yield await loop.run_in_executor(worker, _work, pipeline, deliveries, matcher, ear)
            for _, done in asked:
                if not done.cancelled():
                    done.set_result(None)
            if gather:
                await asyncio.sleep(GATHER_S)


def _work(
    pipeline: Pipeline, deliveries: Sequence[Delivery], matcher: Matcher | None, ear: Ear | None
) -> Heard:
    ended = [] if matcher is None else pipeline.replace_matcher(matcher)
    for delivery in deliveries:
        if delivery.opening is not None:
            opening = delivery.opening
            pipeline.open(
                delivery.stream,
                rate_hz=opening.rate_hz,
                channels=opening.channels,
                epoch_s=opening.epoch_s,
            )
        for course in delivery.courses:
            pipeline.correct(delivery.stream, course)
    blocks = {delivery.stream: delivery.block for delivery in deliveries if delivery.block is not None}
    events = ended + pipeline.accept(blocks)
    readings = {stream: reading for stream in blocks if (reading := pipeline.reading(stream)) is not None}
    closed = tuple(delivery.stream for delivery in deliveries if delivery.closed)
    for stream in closed:
        events += pipeline.close(stream)
    decided_on = () if ear is None else tuple(ear.decided(events))
    return Heard(events=tuple(events), readings=readings, closed=closed, decided_on=decided_on)
