"""Audio files: anything libsndfile reads, in real time or as fast as it goes."""

from __future__ import annotations

import asyncio
import math
import re
import stat
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from daemon.sources import BLOCK_S
from detectors.types import AudioBlock, Samples
from foundation.errors import AudioFileError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType

_READ_S = 1.0
"""How much is decoded at a time: memory stays small, and the switch to the reading thread costs nothing."""

_UNKNOWN_FRAMES = 1 << 62
"""libsndfile announces about this many frames where a stream does not say how long it is."""

_ESTIMATED_LENGTH = {"MP3"}
"""Formats whose announced length is a guess, so that falling short of it means nothing."""

_STREAMED_BYTES = 0x7FFF_0000
"""Programs that stream WAV announce about this many bytes or more, for want of knowing."""

_SHORT_CHUNK = re.compile(r"^\s*(?:data|SSND|Data Size)\s*:\s*(\d+) \(should be (\d+)\)", re.MULTILINE)
"""What libsndfile notes about samples that were announced and are not there; it reads on silently."""


class FileSource:
    """Plays a file as a stream; `start` goes on counting when it loops.

    In real time a block is delivered when its last sample would have sounded, measured from the first block
    by sample index, so that nothing drifts. `epoch_s` replaces the wall clock: replays of one file then give
    the same events. A file that is cut short gives what it holds and then raises AudioFileError.
    """

    def __init__(
        self, path: Path, *, realtime: bool = False, loop: bool = False, epoch_s: float | None = None
    ) -> None:
        self.path = path
        self.rate_hz = 0
        self.channels = 0
        self.epoch_s = math.nan
        self.dropped_samples = 0
        self.ended = False
        self._realtime = realtime
        self._loop = loop
        self._given_epoch_s = epoch_s
        self._sound: Any = None
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    async def blocks(self) -> AsyncIterator[AudioBlock]:
        """Yield the file's audio, then stop; or begin again without end, where it loops."""
        self.epoch_s = time.time() if self._given_epoch_s is None else self._given_epoch_s
        clock = asyncio.get_running_loop().time
        began = clock()
        start = 0
        pass_start = 0
        while True:
            samples = await asyncio.to_thread(self._read)
            if not samples.shape[1]:
                self._check_complete(start - pass_start)
                if not self._loop:
                    break
                pass_start = start
                await asyncio.to_thread(self._sound.seek, 0)
            for piece in self._pieces(samples):
                end = start + piece.shape[1]
                if self._realtime:
                    await asyncio.sleep(max(0.0, began + end / self.rate_hz - clock()))
                yield AudioBlock(samples=piece, rate_hz=self.rate_hz, start=start)
                start = end
        self.ended = True

    def _open(self) -> None:
        """Open the file, or say why it cannot be played and leave nothing open."""
        import soundfile

        with ExitStack() as opening:
            try:
                self._refuse_what_is_no_file()
                handle = opening.enter_context(self.path.open("rb"))
                # By descriptor: a name that ends in .raw would be taken for a promise of headerless audio.
                self._sound = opening.enter_context(soundfile.SoundFile(handle.fileno(), closefd=False))
            except OSError as error:
                raise AudioFileError(f"{self.path}: {error.strerror}") from error
            except soundfile.LibsndfileError as error:
                raise AudioFileError(f"{self.path}: not readable as audio: {_reason(error)}") from error
            self._stack = opening.pop_all()
        self.rate_hz = self._sound.samplerate
        self.channels = self._sound.channels

    def _refuse_what_is_no_file(self) -> None:
        status = self.path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioFileError(f"{self.path}: not a file")
        if not status.st_size:
            raise AudioFileError(f"{self.path}: the file is empty")

    def _read(self) -> Samples:
        import soundfile

        try:
            frames = self._sound.read(round(_READ_S * self.rate_hz), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise AudioFileError(f"{self.path}: cut short or damaged: {_reason(error)}") from error
        samples: Samples = np.ascontiguousarray(frames.T)
        return samples

    def _pieces(self, samples: Samples) -> list[Samples]:
        """Cut what was read into live blocks; where time does not matter it stays whole."""
        length = samples.shape[1]
        step = round(BLOCK_S * self.rate_hz) if self._realtime else length
        return [samples[:, at : at + step] for at in range(0, length, step or 1)]

    def _check_complete(self, frames_read: int) -> None:
        """Refuse to take a file for whole that holds less than it announces."""
        if not frames_read:
            raise AudioFileError(f"{self.path}: the file holds no audio")
        announced = self._announced_frames()
        if frames_read < announced:
            raise AudioFileError(
                f"{self.path}: cut short: {frames_read / self.rate_hz:.2f} s of "
                f"{announced / self.rate_hz:.2f} s are there"
            )

    def _announced_frames(self) -> int:
        """Return how long the file says it is, or 0 where it does not know."""
        frames = int(self._sound.frames)
        if frames >= _UNKNOWN_FRAMES or self._sound.format in _ESTIMATED_LENGTH:
            return 0
        note = _SHORT_CHUNK.search(self._sound.extra_info)
        if note is None:
            return frames
        announced_bytes, held_bytes = int(note[1]), int(note[2])
        return 0 if announced_bytes >= _STREAMED_BYTES else frames * announced_bytes // held_bytes


def _reason(error: Any) -> str:
    return str(error.error_string).strip().rstrip(".") or f"libsndfile error {error.code}"
