"""What a file holds comes out sample by sample, on time, or with the reason why not."""

from __future__ import annotations

import asyncio
import math
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daemon.sources.file import FileSource
from foundation.errors import AudioFileError
from tests.doubles import MemorySource

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.sources import AudioSource
    from detectors.types import AudioBlock, Samples


def noise(rate_hz: int, channels: int, seconds: float) -> Samples:
    generator = np.random.default_rng(rate_hz * channels)
    return generator.uniform(-0.5, 0.5, (channels, round(rate_hz * seconds))).astype(np.float32)


def write(path: Path, samples: Samples, rate_hz: int, subtype: str | None = "FLOAT") -> Path:
    soundfile.write(path, samples.T, rate_hz, subtype=subtype)
    return path


async def play(source: AudioSource) -> tuple[list[AudioBlock], Samples]:
    async with source:
        blocks = [block async for block in source.blocks()]
    return blocks, np.concatenate([block.samples for block in blocks], axis=1)


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
async def test_every_sample_comes_out_once(tmp_path: Path, rate_hz: int, channels: int) -> None:
    """Rates from 8 kHz to 192 kHz and one to eight channels arrive unchanged, with running indices."""
    written = noise(rate_hz, channels, 1.234)
    source = FileSource(write(tmp_path / "a.wav", written, rate_hz))

    blocks, samples = await play(source)

    assert (source.rate_hz, source.channels) == (rate_hz, channels)
    np.testing.assert_array_equal(samples, written)
    assert blocks[0].start == 0
    assert all(a.start + a.samples.shape[1] == b.start for a, b in pairwise(blocks))
    assert all(block.rate_hz == rate_hz and block.samples.dtype == np.float32 for block in blocks)
    assert source.ended
    assert source.dropped_samples == 0


@pytest.mark.parametrize("name", ["a.flac", "a.ogg", "a.mp3", "a.aiff", "a.w64"])
async def test_formats_of_libsndfile_are_read(tmp_path: Path, name: str) -> None:
    """Compressed and uncompressed formats come out at their full length."""
    written = noise(16_000, 2, 1.5)
    path = write(tmp_path / name, written, 16_000, subtype=None)

    _, samples = await play(FileSource(path))

    assert samples.shape == written.shape


async def test_opus_written_by_libsndfile_is_read(tmp_path: Path) -> None:
    """Ogg Opus comes out at its full length."""
    written = noise(48_000, 1, 1.0)
    soundfile.write(tmp_path / "a.opus", written.T, 48_000, format="OGG", subtype="OPUS")

    _, samples = await play(FileSource(tmp_path / "a.opus"))

    assert samples.shape == written.shape


async def test_looping_goes_on_counting(tmp_path: Path) -> None:
    """The second pass begins where the first one ended, with the same audio."""
    written = noise(8_000, 1, 0.5)
    source = FileSource(write(tmp_path / "a.wav", written, 8_000), loop=True)
    heard: list[AudioBlock] = []

    async with source:
        async for block in source.blocks():
            heard.append(block)
            if block.start >= 3 * written.shape[1]:
                break

    assert not source.ended
    for block in heard:
        at = block.start % written.shape[1]
        np.testing.assert_array_equal(block.samples, written[:, at : at + block.samples.shape[1]])


async def test_real_time_delivers_blocks_when_they_have_sounded(tmp_path: Path) -> None:
    """No block comes before its last sample could have been recorded, and the whole takes its time."""
    source = FileSource(write(tmp_path / "a.wav", noise(16_000, 1, 0.5), 16_000), realtime=True)
    clock = asyncio.get_running_loop().time

    async with source:
        began = clock()
        async for block in source.blocks():
            assert block.samples.shape[1] <= 320
            assert clock() - began >= (block.start + block.samples.shape[1]) / 16_000 - 0.001

    assert 0.499 <= clock() - began < 5


async def test_real_time_does_not_drift(tmp_path: Path) -> None:
    """A reader that was held up gets what it missed at once, and then is back on the clock."""
    source = FileSource(write(tmp_path / "a.wav", noise(16_000, 1, 1.0), 16_000), realtime=True)
    clock = asyncio.get_running_loop().time

    async with source:
        began = clock()
        async for block in source.blocks():
            if block.start == 0:
                time.sleep(0.9)  # noqa: ASYNC251 - the loop itself is held up, as by a busy machine
    assert clock() - began < 1.0 + 0.8


async def test_the_wall_clock_is_read_once_or_given(tmp_path: Path) -> None:
    """Live playback takes the time of the first sample; a replay may say what time it was."""
    path = write(tmp_path / "a.wav", noise(8_000, 1, 0.1), 8_000)
    live, replayed = FileSource(path), FileSource(path, epoch_s=12.5)
    assert math.isnan(live.epoch_s)

    before = time.time()
    await play(live)
    await play(replayed)

    assert before <= live.epoch_s <= time.time()
    assert replayed.epoch_s == 12.5


async def test_not_a_number_passes_through(tmp_path: Path) -> None:
    """A source reports what it was given; the framer decides what a NaN is worth."""
    written = noise(8_000, 1, 0.1)
    written[0, 7] = np.nan

    _, samples = await play(FileSource(write(tmp_path / "a.wav", written, 8_000)))

    assert np.isnan(samples[0, 7])
    assert np.isnan(samples).sum() == 1


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "the file is empty"),
        ("words.wav", b"this is not audio, it is a sentence\n" * 50, "not readable as audio"),
        ("words.raw", b"headerless audio says nothing of its rate\n" * 50, "not readable as audio"),
        ("zeros.flac", bytes(4096), "not readable as audio"),
    ],
)
async def test_what_is_not_audio_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    """Empty files and files that are not audio fail on entering, by name."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(AudioFileError, match=reason) as caught:
        async with FileSource(path):
            pass

    assert str(path) in str(caught.value)


async def test_a_file_without_samples_is_refused(tmp_path: Path) -> None:
    """A header alone is no audio."""
    path = write(tmp_path / "a.wav", np.zeros((1, 0), np.float32), 16_000)

    with pytest.raises(AudioFileError, match="holds no audio"):
        await play(FileSource(path))


async def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    """Neither is taken for a broken recording."""
    with pytest.raises(AudioFileError, match="No such file"):
        await play(FileSource(tmp_path / "missing.wav"))
    with pytest.raises(AudioFileError, match="not a file"):
        await play(FileSource(tmp_path))


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.au"])
async def test_a_truncated_file_gives_what_it_holds_and_then_says_so(tmp_path: Path, name: str) -> None:
    """A recording that was cut off is heard up to the cut, and is not taken for whole."""
    written = noise(16_000, 1, 3.0)
    path = write(tmp_path / name, written, 16_000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    heard: list[AudioBlock] = []

    async def collect() -> None:
        async with FileSource(path) as source:
            async for block in source.blocks():
                heard.append(block)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(AudioFileError, match="cut short"):
        await collect()

    samples = np.concatenate([block.samples for block in heard], axis=1)
    assert samples.shape[1] >= 16_000
    np.testing.assert_allclose(samples, written[:, : samples.shape[1]], atol=2**-15)


async def test_a_wav_of_unknown_length_is_whole(tmp_path: Path) -> None:
    """A program that streams WAV cannot know the length, and says 0xffffffff."""
    written = noise(16_000, 1, 0.5)
    path = write(tmp_path / "a.wav", written, 16_000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    for at in (4, content.index(b"data") + 4):
        content[at : at + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)

    _, samples = await play(FileSource(path))

    assert samples.shape == written.shape


async def test_the_double_behaves_like_a_source() -> None:
    """The in-memory source keeps the port's promises, so that tests which use it mean something."""
    written = noise(16_000, 2, 0.5)
    source = MemorySource(written, rate_hz=16_000, dropped=(range(640, 1280),))

    blocks, samples = await play(source)

    assert source.ended
    assert source.dropped_samples == 640
    assert samples.shape[1] == written.shape[1] - 640
    assert {block.start for block in blocks}.isdisjoint(range(640, 1280))
