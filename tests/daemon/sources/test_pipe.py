"""Bytes in are samples out, from real FIFOs, real commands and a real standard input."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.sources.pcm import SampleFormat, decode_pcm
from daemon.sources.pipe import PipeSource
from foundation.errors import AudioDeviceError, SourceStalled

if TYPE_CHECKING:
    from detectors.types import AudioBlock, Samples

REPOSITORY = Path(__file__).parents[3]


def pcm(samples: int, channels: int = 1) -> bytes:
    generator = np.random.default_rng(samples)
    return generator.integers(-(1 << 15), 1 << 15, samples * channels, dtype=np.int16).tobytes()


def as_s16le(blocks: list[AudioBlock]) -> bytes:
    samples: Samples = np.concatenate([block.samples for block in blocks], axis=1)
    return (samples.T * (1 << 15)).astype("<i2").tobytes()


async def collect(source: PipeSource, into: list[AudioBlock]) -> None:
    async with source:
        async for block in source.blocks():
            assert block.start == sum(earlier.samples.shape[1] for earlier in into)
            into.append(block)


async def gone(pid: int) -> None:
    """Wait until a process has ended, which is not our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(descriptor, ended.set)
    await ended.wait()
    loop.remove_reader(descriptor)
    os.close(descriptor)


async def test_a_commands_output_comes_out_sample_by_sample(tmp_path: Path) -> None:
    """All bytes that a command wrote are heard, and its end says how it ended."""
    written = pcm(50_000, channels=2)
    program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    blocks: list[AudioBlock] = []
    raw = tmp_path / "written"
    raw.write_bytes(written)
    source = PipeSource((sys.executable, "-c", program, str(raw)), rate_hz=16_000, channels=2)

    with pytest.raises(SourceStalled, match="ended with exit code 0"):
        await collect(source, blocks)

    assert as_s16le(blocks) == written
    assert not source.ended


class PiecesInlet:
    """An inlet whose bytes come in the pieces that a test wants."""

    name = "pieces"
    is_live = False

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter([*pieces, b""])

    async def open(self) -> None:
        """Nothing to open."""

    async def read(self) -> bytes:
        return next(self._pieces)

    async def why_it_ended(self) -> str:
        return "all pieces were read"

    async def close(self) -> None:
        """Nothing to close."""


@settings(deadline=None)  # the machine may be busy with other work
@given(
    sample_format=st.sampled_from(SampleFormat),
    channels=st.integers(1, 8),
    raw=st.binary(max_size=400),
    cuts=st.lists(st.integers(0, 400), max_size=20),
)
async def test_any_cutting_gives_the_same_samples(
    sample_format: SampleFormat, channels: int, raw: bytes, cuts: list[int]
) -> None:
    """Where the reads happen to end changes nothing: not the samples, and not their indices."""
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts), len(raw)]
    pieces = [raw[a:b] for a, b in pairwise(edges) if a < b]
    source = PipeSource(Path("-"), rate_hz=16_000, channels=channels, sample_format=sample_format)
    source._inlet = PiecesInlet(pieces)
    blocks: list[AudioBlock] = []

    await collect(source, blocks)

    frame_bytes = sample_format.sample_bytes * channels
    whole = decode_pcm(raw[: len(raw) // frame_bytes * frame_bytes], sample_format, channels)
    heard = np.concatenate([np.zeros((channels, 0), np.float32), *(b.samples for b in blocks)], axis=1)
    np.testing.assert_array_equal(heard, whole)


async def test_split_frames_are_put_together() -> None:
    """A writer that stops in mid-sample loses nothing; half a frame at the end is left out."""
    program = (
        "import sys, time\n"
        "for piece in (b'\\x01', b'\\x00\\x02\\x00\\x03', b'\\x00', b'\\x04\\x00\\x05\\x00\\x06'):\n"
        "    sys.stdout.buffer.write(piece); sys.stdout.buffer.flush(); time.sleep(0.05)\n"
    )
    blocks: list[AudioBlock] = []
    source = PipeSource((sys.executable, "-c", program), rate_hz=16_000, channels=2)

    with pytest.raises(SourceStalled):
        await collect(source, blocks)

    assert as_s16le(blocks) == np.array([1, 2, 3, 4], "<i2").tobytes()


async def test_a_failing_commands_last_words_are_told() -> None:
    """The exit code and the end of stderr are in the message, so that the owner need not guess."""
    program = "import sys; print('noise\\n' * 9000 + 'arecord: device busy', file=sys.stderr); sys.exit(3)"
    source = PipeSource((sys.executable, "-c", program), rate_hz=16_000)

    with pytest.raises(SourceStalled, match=r"ended with exit code 3(\n.*)*arecord: device busy"):
        await collect(source, [])


async def test_a_command_killed_by_a_signal_is_named_so() -> None:
    """A crash is told from an ordinary end."""
    program = "import os; os.kill(os.getpid(), 11)"
    source = PipeSource((sys.executable, "-c", program), rate_hz=16_000)

    with pytest.raises(SourceStalled, match="was ended by SIGSEGV"):
        await collect(source, [])


async def test_an_unknown_command_is_refused_with_what_to_do() -> None:
    """The owner learns what is missing on entering."""
    with pytest.raises(AudioDeviceError, match="there is no such command"):
        await collect(PipeSource(("no-such-recorder", "-r"), rate_hz=16_000), [])


async def test_a_command_that_may_not_be_run_is_refused(tmp_path: Path) -> None:
    """A file that is not executable is not called missing."""
    script = tmp_path / "record"
    script.write_text("#!/bin/sh\n")

    with pytest.raises(AudioDeviceError, match="cannot be started"):
        await collect(PipeSource((str(script),), rate_hz=16_000), [])


async def test_a_silent_command_stalls() -> None:
    """A program that delivers nothing is reported within the time allowed."""
    source = PipeSource(("sleep", "30"), rate_hz=16_000, stall_s=0.1)

    with pytest.raises(SourceStalled, match=r"`sleep 30` delivered nothing for 0\.1 s"):
        await collect(source, [])


async def test_leaving_ends_the_command_and_its_children(tmp_path: Path) -> None:
    """No process and no zombie is left, even of a shell's children."""
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {shlex.quote(str(pids))}; cat /dev/zero"
    source = PipeSource(("sh", "-c", script), rate_hz=16_000)

    async with source:
        async for _ in source.blocks():
            break
    started = [int(pid) for pid in pids.read_text().split()]

    async with asyncio.timeout(10):
        for pid in started:
            await gone(pid)


async def test_a_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopping does not depend on good manners."""
    monkeypatch.setattr("daemon.sources.inlets._GRACE_S", 0.1)
    program = (
        "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True: sys.stdout.buffer.write(bytes(64))"
    )
    source = PipeSource((sys.executable, "-c", program), rate_hz=16_000)

    async with source:
        async for _ in source.blocks():
            break


async def test_a_fifo_is_heard_until_its_writer_leaves(tmp_path: Path) -> None:
    """A FIFO opens before anybody writes, and its end is a stall: the writer may come back."""
    fifo = tmp_path / "audio"
    os.mkfifo(fifo)
    written = pcm(40_000)
    blocks: list[AudioBlock] = []
    source = PipeSource(fifo, rate_hz=16_000, sample_format=SampleFormat.S16LE)

    writing = asyncio.to_thread(fifo.write_bytes, written)
    results = await asyncio.gather(collect(source, blocks), writing, return_exceptions=True)

    assert isinstance(results[0], SourceStalled)
    assert "has closed it" in str(results[0])
    assert as_s16le(blocks) == written
    assert abs(source.epoch_s - time.time()) < 60


async def test_a_fifo_without_a_writer_stalls(tmp_path: Path) -> None:
    """Waiting for a writer has an end, and says for what it waited."""
    fifo = tmp_path / "audio"
    os.mkfifo(fifo)

    with pytest.raises(SourceStalled, match="delivered nothing"):
        await collect(PipeSource(fifo, rate_hz=16_000, stall_s=0.05), [])


async def test_a_plain_file_of_samples_ends(tmp_path: Path) -> None:
    """A file of raw PCM is complete when it ends."""
    path = tmp_path / "audio.raw"
    written = pcm(1_000)
    path.write_bytes(written)
    source = PipeSource(path, rate_hz=16_000)
    blocks: list[AudioBlock] = []

    await collect(source, blocks)

    assert source.ended
    assert as_s16le(blocks) == written


async def test_a_missing_path_and_a_folder_are_refused(tmp_path: Path) -> None:
    """The message says how a FIFO is made."""
    with pytest.raises(AudioDeviceError, match="mkfifo"):
        await collect(PipeSource(tmp_path / "missing", rate_hz=16_000), [])
    with pytest.raises(AudioDeviceError, match="a folder"):
        await collect(PipeSource(tmp_path, rate_hz=16_000), [])


STDIN_READER = """
import asyncio, os, sys
from pathlib import Path
from daemon.sources.pipe import PipeSource

async def main():
    count = 0
    async with PipeSource(Path("-"), rate_hz=16000) as source:
        async for block in source.blocks():
            count += block.samples.shape[1]
    print(count, source.ended, os.get_blocking(0))

asyncio.run(main())
"""


def listen_to_stdin(**stdin: object) -> str:
    command = (sys.executable, "-W", "error", "-c", STDIN_READER)
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True, timeout=50, **stdin)  # type: ignore[call-overload]  # the keyword varies
    return str(done.stdout.decode())


def test_standard_input_ends_normally_and_is_given_back() -> None:
    """A pipe into `heard` is heard to its end, and descriptor 0 is left blocking, as a shell expects it."""
    assert listen_to_stdin(input=pcm(30_000)) == "30000 True True\n"


def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    """A redirected file is heard like a pipe."""
    path = tmp_path / "audio.raw"
    path.write_bytes(pcm(2_000))
    with path.open("rb") as file:
        assert listen_to_stdin(stdin=file) == "2000 True True\n"


def test_no_standard_input_is_no_audio() -> None:
    """A service's standard input is /dev/null."""
    assert listen_to_stdin(stdin=subprocess.DEVNULL) == "0 True True\n"
