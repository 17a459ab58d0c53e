"""A device's thread never waits, and what it could not hand over is counted."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from daemon.sources.callback_queue import CallbackQueue

if TYPE_CHECKING:
    from detectors.types import AudioBlock


def queue(max_blocks: int = 100) -> CallbackQueue:
    return CallbackQueue(asyncio.get_running_loop(), rate_hz=16_000, max_blocks=max_blocks)


async def everything(source: CallbackQueue) -> list[AudioBlock]:
    blocks = []
    while (block := await source.take()) is not None:
        blocks.append(block)
    return blocks


async def test_a_threads_audio_arrives_whole_and_in_order() -> None:
    """Blocks of any length from another thread come out with running indices, copied."""
    handed = queue(max_blocks=1000)
    lengths = [1, 320, 7, 64] * 50
    buffer = np.zeros((320, 2), np.float32)

    def device() -> None:
        for number, length in enumerate(lengths):
            buffer[:] = number
            handed.accept(buffer[:length], overflow=False)
        handed.finish()

    thread = threading.Thread(target=device)
    thread.start()
    blocks = await everything(handed)
    thread.join()

    assert [block.samples.shape for block in blocks] == [(2, length) for length in lengths]
    assert [block.start for block in blocks] == [sum(lengths[:n]) for n in range(len(lengths))]
    assert [block.samples[0, 0] for block in blocks] == list(range(len(lengths)))
    assert handed.dropped_samples == 0


async def test_the_oldest_audio_is_dropped_and_counted() -> None:
    """The newest blocks are kept, and their indices tell how much is missing before them."""
    handed = queue(max_blocks=3)
    for number in range(10):
        handed.accept(np.full((320, 1), number, np.float32), overflow=False)
    handed.finish()

    blocks = await everything(handed)

    assert [block.start for block in blocks] == [7 * 320, 8 * 320, 9 * 320]
    assert handed.dropped_samples == 7 * 320


async def test_an_overflow_of_the_device_leaves_a_gap() -> None:
    """What the device lost itself is missing from the stream's time too, and shows as dropped."""
    handed = queue()
    for overflow in (False, True, False):
        handed.accept(np.zeros((320, 1), np.float32), overflow=overflow)
    handed.finish()

    blocks = await everything(handed)

    assert [block.start for block in blocks] == [0, 640, 960]
    assert handed.dropped_samples == 320
    assert handed.overflows == 1


async def test_the_wall_clock_is_that_of_the_first_sample() -> None:
    """It is read once: the first block's samples sounded before it arrived."""
    handed = queue()
    assert math.isnan(handed.epoch_s)
    before = time.time()
    handed.accept(np.zeros((16_000, 1), np.float32), overflow=False)
    first = handed.epoch_s
    handed.accept(np.zeros((16_000, 1), np.float32), overflow=False)

    assert before - 1 <= first <= time.time() - 1
    assert handed.epoch_s == first


async def test_what_was_queued_before_the_end_is_still_taken() -> None:
    """A device that stops does not take its last audio with it."""
    handed = queue()
    handed.accept(np.zeros((320, 1), np.float32), overflow=False)
    handed.finish()

    assert len(await everything(handed)) == 1
    assert await handed.take() is None


async def test_a_device_that_goes_on_after_the_loop_closed_does_no_harm() -> None:
    """The last callback may come late."""
    loop = asyncio.new_event_loop()
    handed = CallbackQueue(loop, rate_hz=16_000, max_blocks=3)
    loop.close()

    handed.accept(np.zeros((320, 1), np.float32), overflow=False)
