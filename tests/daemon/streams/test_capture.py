from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Self

import numpy as np
import pytest

from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.retention import Limits
from daemon.evidence.store import EvidenceStore
from daemon.streams import capture as capture_module
from daemon.streams.capture import Capture
from daemon.streams.health import Health
from daemon.streams.inbox import Delivery, Inbox
from foundation.errors import AudioDeviceError, AudioFileError, HeardError, SourceStalled
from tests.doubles import MemorySource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from daemon.sources import AudioSource
    from detectors.types import AudioBlock

_RATE_HZ = 16_000
_EPOCH_S = 1_700_000_000.0


class _Script:
    """Hands out one source after another."""

    def __init__(self, *steps: Callable[[], AudioSource]) -> None:
        self.steps = list(steps)

    def __call__(self) -> AudioSource:
        return self.steps.pop(0)()


def _source(failure: HeardError | None = None, dropped: tuple[range, ...] = ()) -> Callable[[], AudioSource]:
    samples = np.full((1, 1_600), 0.1, np.float32)
    return lambda: MemorySource(samples, rate_hz=_RATE_HZ, failure=failure, dropped=dropped)


def _missing() -> AudioSource:
    raise AudioDeviceError("No microphone is plugged in.")


def _broken() -> AudioSource:
    raise ZeroDivisionError("a fault of ours")


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(["kitchen"])


@pytest.fixture
def recorder(tmp_path: Path) -> EvidenceRecorder:
    store = EvidenceStore(
        tmp_path, limits=Limits(keep_days=1, max_bytes=10**9, max_clips_per_profile=10), heard_version="0"
    )
    return EvidenceRecorder(store, before_s=5, after_s=5, encoder_id="none")


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_module, "BACKOFF_FIRST_S", 0.001)


def _capture(inbox: Inbox, recorder: EvidenceRecorder, script: _Script, *, needed: bool = False) -> Capture:
    return Capture(
        "kitchen", open_source=script, inbox=inbox, recorder=recorder, patient=False, needed_at_start=needed
    )


async def _all(inbox: Inbox) -> list[Delivery]:
    inbox.finish()
    deliveries: list[Delivery] = []
    while taken := await inbox.take():
        deliveries += taken
    return deliveries


async def test_delivers_a_stream_that_ends(inbox: Inbox, recorder: EvidenceRecorder) -> None:
    """A complete file is opened, heard and closed, once."""
    capture = _capture(inbox, recorder, _Script(_source()))

    await capture.run()

    [delivery] = await _all(inbox)
    assert delivery.opening is not None
    assert delivery.block is not None
    assert delivery.block.samples.shape == (1, 1_600)
    assert delivery.closed
    assert (capture.failure, capture.problem, capture.online, capture.reopened) == (None, "", False, 0)


async def test_opens_a_stalled_source_again(
    inbox: Inbox, recorder: EvidenceRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """After a stall a new session begins, with a clock of its own; the trouble is logged once."""
    stall = _source(SourceStalled("no audio for 5 s"))
    capture = _capture(inbox, recorder, _Script(stall, stall, _source()))

    await capture.run()

    deliveries = await _all(inbox)
    assert [(d.opening is not None, d.closed) for d in deliveries] == [(True, True)] * 3
    assert capture.reopened == 2
    assert capture.problem == ""
    assert caplog.messages.count("kitchen: no audio for 5 s; trying again") == 2


async def test_tells_the_time_by_this_machines_clock(
    inbox: Inbox, recorder: EvidenceRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that counts too fast is put right, from the audio on that comes then."""
    seconds = iter(range(1, 100))
    monkeypatch.setattr(
        capture_module, "time", SimpleNamespace(time=lambda: _EPOCH_S + 1.1 * next(seconds), monotonic=float)
    )
    minute = np.zeros((1, 60 * _RATE_HZ), np.float32)
    source = MemorySource(minute, rate_hz=_RATE_HZ, block_samples=_RATE_HZ, epoch_s=_EPOCH_S)

    await _capture(inbox, recorder, _Script(lambda: source)).run()

    [delivery] = await _all(inbox)
    assert [course.from_s for course in delivery.courses] == [30.0, 60.0]
    assert delivery.courses[0].epoch_at(60.0) == pytest.approx(_EPOCH_S + 0.05)


async def test_waits_for_a_microphone_that_comes_late(
    inbox: Inbox, recorder: EvidenceRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """A USB microphone may enumerate after the daemon started; waiting for it is said once."""
    capture = _capture(inbox, recorder, _Script(_missing, _missing, _missing, _source()))

    await capture.run()

    assert len(await _all(inbox)) == 1
    assert caplog.messages.count("kitchen: No microphone is plugged in.; trying again") == 1


async def test_gives_up_at_start_where_the_device_is_all_there_is(
    inbox: Inbox, recorder: EvidenceRecorder
) -> None:
    """With one stream, a missing microphone is the owner's to mend, now."""
    capture = _capture(inbox, recorder, _Script(_missing), needed=True)

    await capture.run()

    assert isinstance(capture.failure, AudioDeviceError)
    assert capture.tried.is_set()


async def test_waits_for_the_only_microphone_once_it_was_there(
    inbox: Inbox, recorder: EvidenceRecorder
) -> None:
    """A microphone that is unplugged later is waited for, even if it is the only one."""
    capture = _capture(
        inbox, recorder, _Script(_source(SourceStalled("unplugged")), _missing, _source()), needed=True
    )

    await capture.run()

    assert capture.failure is None
    assert len(await _all(inbox)) == 2


async def test_a_bad_file_ends_its_stream_with_what_it_held(inbox: Inbox, recorder: EvidenceRecorder) -> None:
    """Reading a damaged file again would only give the same events again."""
    capture = _capture(inbox, recorder, _Script(_source(AudioFileError("x.flac: cut short"))))

    await capture.run()

    [delivery] = await _all(inbox)
    assert delivery.closed
    assert str(capture.failure) == capture.problem == "x.flac: cut short"


async def test_a_fault_of_ours_keeps_the_stream_alive(
    inbox: Inbox, recorder: EvidenceRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is logged with its place in the code, and the stream is opened again."""
    capture = _capture(inbox, recorder, _Script(_broken, _source()))

    await capture.run()

    assert len(await _all(inbox)) == 1
    assert any(record.exc_info for record in caplog.records)


async def test_shows_lost_audio(inbox: Inbox, recorder: EvidenceRecorder) -> None:
    """What a source dropped is counted and shows in the health."""
    capture = _capture(inbox, recorder, _Script(_source(dropped=(range(320, 960),))))

    await capture.run()

    assert capture.dropped_samples == 640
    assert capture.health is Health.DROPPING


async def test_stopping_closes_the_stream(inbox: Inbox, recorder: EvidenceRecorder) -> None:
    """A capture that is cancelled tells the listener that its stream has ended."""
    capture = _capture(inbox, recorder, _Script(_source()))
    running = asyncio.create_task(capture.run())
    assert (await inbox.take())[0].opening is not None

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert (await _all(inbox))[-1].closed
    assert not capture.online


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not happened():  # noqa: ASYNC110 - a capture has no event for it
            await asyncio.sleep(0.001)


class _Microphone(MemorySource):
    """Goes on for ever, and knows whether it is open."""

    open_now = 0
    opened = 0

    def __init__(self, seconds: float = 0.1) -> None:
        super().__init__(np.full((1, round(seconds * _RATE_HZ)), 0.1, np.float32), rate_hz=_RATE_HZ)

    async def __aenter__(self) -> Self:
        _Microphone.open_now += 1
        _Microphone.opened += 1
        return await super().__aenter__()

    async def __aexit__(self, *details: object) -> None:
        _Microphone.open_now -= 1

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        async for block in super().blocks():
            yield block
        await asyncio.Event().wait()


async def test_a_stream_that_is_switched_off_has_no_source_open(
    inbox: Inbox, recorder: EvidenceRecorder
) -> None:
    """Off from the start, on, off, off and on in one breath: what is heard ends each time it is closed."""
    capture = Capture(
        "kitchen",
        open_source=_Microphone,
        inbox=inbox,
        recorder=recorder,
        patient=False,
        needed_at_start=True,
        listening=False,
    )
    opened_before = _Microphone.opened
    running = asyncio.create_task(capture.run())
    async with asyncio.timeout(5.0):
        await capture.tried.wait()
    assert (capture.health, capture.online, _Microphone.open_now) == (Health.DISABLED, False, 0)

    capture.listen(on=True)
    await _until(lambda: capture.online)
    assert (capture.health, capture.problem, _Microphone.open_now) == (Health.OK, "", 1)

    capture.listen(on=False)
    received = capture.received_samples
    await _until(lambda: _Microphone.open_now == 0)
    assert (capture.health, capture.online, capture.received_samples) == (Health.DISABLED, False, received)
    [delivery] = await inbox.take()
    assert delivery.closed

    capture.listen(on=True)
    await _until(lambda: capture.online)
    capture.listen(on=False)
    capture.listen(on=True)
    await _until(lambda: _Microphone.opened == opened_before + 3 and capture.online)
    assert (capture.health, _Microphone.open_now, capture.reopened) == (Health.OK, 1, 0)
    running.cancel()
    await asyncio.wait({running})
    assert _Microphone.open_now == 0


async def test_a_missing_microphone_is_not_looked_for_while_it_is_switched_off(
    inbox: Inbox, recorder: EvidenceRecorder
) -> None:
    """Switched off between two tries, it is asked for again when it is switched on."""
    script = _Script(_missing, _source())
    capture = _capture(inbox, recorder, script)
    running = asyncio.create_task(capture.run())
    await capture.tried.wait()
    capture.listen(on=False)
    await _until(lambda: "switched off" in capture.problem)
    assert len(script.steps) == 1
    capture.listen(on=True)
    async with asyncio.timeout(5.0):
        await running
    assert len(await _all(inbox)) == 1


async def test_switching_while_a_source_takes_its_time_to_close(
    inbox: Inbox, recorder: EvidenceRecorder
) -> None:
    """Whatever was said last holds in the end, and nothing interrupts the closing."""
    closing = asyncio.Event()

    class _Slow(_Microphone):
        def __init__(self) -> None:
            super().__init__(seconds=100.0)

        async def __aexit__(self, *details: object) -> None:
            await closing.wait()
            await super().__aexit__(*details)

    opened = _Microphone.opened
    capture = _capture(inbox, recorder, _Script(_Slow, _Slow))
    running = asyncio.create_task(capture.run())
    await _until(lambda: capture.online)
    for on in (False, True, False, True, False):
        capture.listen(on=on)
        await asyncio.sleep(0.01)
    assert capture.health is Health.DISABLED
    closing.set()
    await _until(lambda: "switched off" in capture.problem)
    capture.listen(on=True)
    await _until(lambda: capture.online)
    assert _Microphone.opened == opened + 2
    running.cancel()
    await asyncio.wait({running})
