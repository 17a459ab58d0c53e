"""Microphones behind the voice assistants' protocol, served by the protocol's own library over loopback."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pydantic import ValidationError
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import async_write_event
from wyoming.info import Describe

from daemon.sources.pcm import decode_pcm, sample_format_of
from daemon.sources.settings import WyomingSettings
from daemon.sources.wyoming import WyomingSource
from daemon.streams.capture import Capture
from daemon.streams.inbox import Inbox
from foundation.errors import AudioDeviceError, SourceStalled
from tests.daemon.sources.microphone_service import service

if TYPE_CHECKING:
    from detectors.types import AudioBlock

STALL_S = 0.3


async def say(writer: asyncio.StreamWriter, *events: Any) -> None:
    for event in events:
        await async_write_event(event.event(), writer)


async def heard(port: int) -> tuple[WyomingSource, list[AudioBlock], str]:
    """Listen until the source has stalled; return what was heard and why it ended."""
    source = WyomingSource("127.0.0.1", port, stall_s=STALL_S)
    blocks: list[AudioBlock] = []
    with pytest.raises(SourceStalled) as stalled:
        await collect(source, blocks)
    return source, blocks, str(stalled.value)


async def collect(source: WyomingSource, into: list[AudioBlock]) -> None:
    async with source:
        async for block in source.blocks():
            into.append(block)  # noqa: PERF401 - what came before the stall counts


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (48_000, 2)])
async def test_hears_audio_however_it_is_written(width: int, rate: int, channels: int) -> None:
    """Rate, width and channels are the service's own; a frame split between two chunks is put together."""
    raw = np.random.default_rng(width).integers(0, 256, 600 * width * channels, np.uint8).tobytes()
    form = {"rate": rate, "width": width, "channels": channels}

    async def serve(writer: asyncio.StreamWriter) -> None:
        chunks = [AudioChunk(audio=raw[at : at + 999], **form) for at in range(0, len(raw), 999)]
        await say(writer, Describe(), AudioStart(**form), *chunks, AudioStop())

    async with service(serve) as port:
        source, blocks, why = await heard(port)

    assert (source.rate_hz, source.channels) == (rate, channels)
    samples = np.concatenate([block.samples for block in blocks], axis=1)
    np.testing.assert_array_equal(samples, decode_pcm(raw, sample_format_of(width), channels))
    assert [block.start for block in blocks] == [
        sum(earlier.samples.shape[1] for earlier in blocks[:at]) for at in range(len(blocks))
    ]
    assert not math.isnan(source.epoch_s)
    assert "stopped its audio" in why


async def test_needs_no_announcement() -> None:
    """Each chunk says how it is written, so one that comes without a start is heard."""
    chunk = AudioChunk(rate=8_000, width=2, channels=1, audio=b"\0\1" * 80)

    async def serve(writer: asyncio.StreamWriter) -> None:
        await say(writer, chunk, chunk)

    async with service(serve) as port:
        _, blocks, why = await heard(port)

    assert [block.samples.shape for block in blocks] == [(1, 80), (1, 80)]
    assert "closed the connection" in why


async def test_silence_of_the_service_is_a_stall() -> None:
    """A connection that stays open and says nothing is not mistaken for a quiet room."""
    chunk = AudioChunk(rate=8_000, width=2, channels=1, audio=b"\0\1" * 80)

    async def serve(writer: asyncio.StreamWriter) -> None:
        await say(writer, chunk)
        await asyncio.sleep(4 * STALL_S)

    async with service(serve) as port:
        assert "delivered nothing for 0.3 s" in (await heard(port))[2]


async def test_another_format_begins_a_new_stream() -> None:
    """Samples of two rates never share one stream."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        await say(
            writer,
            AudioChunk(rate=8_000, width=2, channels=1, audio=bytes(160)),
            AudioStart(rate=16_000, width=2, channels=1),
        )

    async with service(serve) as port:
        _, blocks, why = await heard(port)

    assert len(blocks) == 1
    assert "another format" in why


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"3\n",
        b'{"data": {}}\n',
        b'{"type": "audio-chunk", "payload_length": "much"}\n',
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "audio-start", "data": {"rate": 16000, "width": 9, "channels": 1}}\n',
        b'{"type": "audio-start", "data": {"rate": 16000.5, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-start", "data": [1]}\n',
        b"x" * 200_000,
    ],
)
async def test_what_is_no_microphone_service_is_named(said: bytes) -> None:
    """Whatever answers at a wrong address costs one clear message, and no memory."""

    async def serve(writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        await writer.drain()
        await asyncio.sleep(STALL_S)

    async with service(serve) as port:
        source = WyomingSource("127.0.0.1", port, stall_s=STALL_S)
        with pytest.raises(AudioDeviceError, match=r"'uri' must name a Wyoming service"):
            async with source:
                pass


async def test_nobody_there_is_tried_again() -> None:
    """A service that is not up yet is the network's fault, not the owner's."""
    async with service(lambda _writer: asyncio.sleep(0)) as port:
        pass
    with pytest.raises(SourceStalled, match="cannot be reached"):
        async with WyomingSource("127.0.0.1", port):
            pass


async def test_comes_back_by_itself() -> None:
    """A service that was restarted is heard again, as a new stream."""
    served = 0

    async def serve(writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await say(writer, AudioChunk(rate=8_000, width=2, channels=1, audio=bytes(160)))

    class Recorder:
        def open(self, stream: str, **_: Any) -> None:
            del stream

        def accept(self, stream: str, block: AudioBlock) -> None:
            del stream, block

    inbox = Inbox(["satellite"])
    async with service(serve) as port:
        capture = Capture(
            "satellite",
            open_source=lambda: WyomingSource("127.0.0.1", port, stall_s=STALL_S),
            inbox=inbox,
            recorder=Recorder(),  # type: ignore[arg-type] # evidence is not what this test is about
            patient=False,
            needed_at_start=False,
        )
        task = asyncio.create_task(capture.run())
        async with asyncio.timeout(10):
            while capture.reopened < 2:  # noqa: ASYNC110 - a capture tells nobody
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait({task})

    assert served >= 2
    assert "closed the connection" in capture.problem


@pytest.mark.parametrize(
    "uri",
    ["host:10600", "tcp://host", "tcp://:1", "tcp://h:99999", "http://h:1", "tcp://a@h:1", "tcp://h:1/x"],
)
def test_an_address_must_be_whole(uri: str) -> None:
    """What is no tcp://host:port is refused with an example of one."""
    with pytest.raises(ValidationError, match=r"expected tcp://host:port"):
        WyomingSettings(source="wyoming", uri=uri)


def test_an_address_may_have_brackets() -> None:
    """IPv6 addresses are written as in other URIs."""
    settings = WyomingSettings(source="wyoming", uri="tcp://[::1]:10600")
    assert settings.address == ("::1", 10_600)
