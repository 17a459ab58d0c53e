"""Carries what the captures bring through the pipeline, in one worker thread, so that the loop stays free."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from daemon.inbox import Delivery, Inbox
    from daemon.pipeline import Pipeline, StreamReading
    from detectors.types import SoundEvent

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


async def hear(inbox: Inbox, pipeline: Pipeline, *, gather: bool) -> AsyncIterator[Heard]:
    """Yield what is heard until the inbox is finished. Nothing else may touch the pipeline meanwhile."""
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="hear") as worker:
        while deliveries := await inbox.take():
            yield await loop.run_in_executor(worker, _work, pipeline, deliveries)
            if gather:
                await asyncio.sleep(GATHER_S)


def _work(pipeline: Pipeline, deliveries: Sequence[Delivery]) -> Heard:
    for delivery in deliveries:
        if delivery.opening is not None:
            opening = delivery.opening
            pipeline.open(
                delivery.stream,
                rate_hz=opening.rate_hz,
                channels=opening.channels,
                epoch_s=opening.epoch_s,
            )
    blocks = {delivery.stream: delivery.block for delivery in deliveries if delivery.block is not None}
    events = pipeline.accept(blocks)
    readings = {stream: reading for stream in blocks if (reading := pipeline.reading(stream)) is not None}
    closed = tuple(delivery.stream for delivery in deliveries if delivery.closed)
    for stream in closed:
        events += pipeline.close(stream)
    return Heard(events=tuple(events), readings=readings, closed=closed)
