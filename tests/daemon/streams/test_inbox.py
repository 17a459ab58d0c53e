from __future__ import annotations

import asyncio

import numpy as np

from daemon.streams.inbox import MAX_WAITING_S, PATIENT_WAITING_S, Delivery, Inbox, Opening
from detectors.types import AudioBlock

_RATE_HZ = 1_000
_OPENING = Opening(rate_hz=_RATE_HZ, channels=1, epoch_s=0.0)


def _block(start: int, count: int = 100) -> AudioBlock:
    samples = np.arange(start, start + count, dtype=np.float32)[None, :]
    return AudioBlock(samples=samples, rate_hz=_RATE_HZ, start=start)


def _what(delivery: Delivery) -> tuple[str, bool, tuple[int, int] | None, bool]:
    block = delivery.block
    span = None if block is None else (block.start, block.start + block.samples.shape[1])
    return delivery.stream, delivery.opening is not None, span, delivery.closed


async def test_joins_what_is_contiguous() -> None:
    """The listener gets one block to a stream, so that one call advances all streams."""
    inbox = Inbox(["a", "b"])
    inbox.opened("a", _OPENING)
    inbox.put("a", _block(0))
    inbox.put("a", _block(100))
    inbox.opened("b", _OPENING)
    inbox.put("b", _block(0))

    deliveries = await inbox.take()

    assert [_what(delivery) for delivery in deliveries] == [
        ("a", True, (0, 200), False),
        ("b", True, (0, 100), False),
    ]
    joined = deliveries[0].block
    assert joined is not None
    assert joined.samples.tolist() == [list(range(200))]


async def test_keeps_a_gap_between_two_deliveries() -> None:
    """Samples that a source dropped stay visible in `start`."""
    inbox = Inbox(["a"])
    inbox.put("a", _block(0))
    inbox.put("a", _block(500))

    assert [_what(d) for d in await inbox.take()] == [("a", False, (0, 100), False)]
    assert [_what(d) for d in await inbox.take()] == [("a", False, (500, 600), False)]


async def test_never_mixes_two_sessions_of_a_stream() -> None:
    """A source that broke off and was opened again is closed before it is opened."""
    inbox = Inbox(["a"])
    for _ in range(2):
        inbox.opened("a", _OPENING)
        inbox.put("a", _block(0))
        inbox.closed("a")

    assert [_what(d) for d in await inbox.take()] == [("a", True, (0, 100), True)]
    assert [_what(d) for d in await inbox.take()] == [("a", True, (0, 100), True)]


async def test_drops_the_oldest_and_counts() -> None:
    """A machine that is too slow loses the oldest audio of that stream; openings are never lost."""
    inbox = Inbox(["a", "b"])
    inbox.put("b", _block(0))
    inbox.opened("a", _OPENING)
    blocks = round(MAX_WAITING_S * 10) + 3

    dropped = [inbox.put("a", _block(100 * n)) for n in range(blocks)]

    assert sum(dropped) == 300
    assert [_what(d) for d in await inbox.take()] == [
        ("a", True, (300, blocks * 100), False),
        ("b", False, (0, 100), False),
    ]


async def test_keeps_one_block_however_long() -> None:
    """A single block above the limit is worked on, not thrown away."""
    inbox = Inbox(["a"])
    assert inbox.put("a", _block(0, 60_000)) == 0
    assert [_what(d) for d in await inbox.take()] == [("a", False, (0, 60_000), False)]


async def test_a_patient_source_waits_for_room() -> None:
    """A file goes on only when the listener has taken what it sent ahead."""
    inbox = Inbox(["a"])
    inbox.put("a", _block(0, round(PATIENT_WAITING_S * _RATE_HZ) + 1))
    waiting = asyncio.create_task(inbox.room("a"))
    await asyncio.sleep(0)
    assert not waiting.done()

    await inbox.take()

    await waiting


async def test_the_end_comes_after_everything_was_taken() -> None:
    """An empty list says that all captures are over and their audio was delivered."""
    inbox = Inbox(["a"])
    inbox.put("a", _block(0))
    inbox.finish()

    assert [_what(d) for d in await inbox.take()] == [("a", False, (0, 100), False)]
    assert await inbox.take() == []
