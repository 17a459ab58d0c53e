"""The last seconds of one stream, as its source delivered them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from foundation.errors import HeardError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.types import AudioBlock, Samples

PCM_SCALE = 32_768
"""Sixteen bits halve the memory, are what FLAC stores, and give 16-bit sources back to the bit."""


class AudioNotHeld(HeardError, LookupError):
    """The ring does not hold the samples that were asked for: they are gone, or not there yet."""

    def __init__(self, *, start: int, end: int, held_start: int, held_end: int) -> None:
        what = "is no longer held" if start < held_start else "has not been heard yet"
        super().__init__(f"audio [{start}, {end}) {what}; the ring holds [{held_start}, {held_end})")
        self.start = start
        self.end = end
        self.held_start = held_start
        self.held_end = held_end


class Ring:
    """Holds the newest `seconds` of a stream by absolute sample index. Audio that was lost reads as zeros."""

    def __init__(self, *, seconds: float, rate_hz: int, channels: int) -> None:
        self.rate_hz = rate_hz
        self.channels = channels
        self._capacity = max(1, round(seconds * rate_hz))
        self._pcm: NDArray[np.int16] = np.zeros((channels, self._capacity), np.int16)
        self._first: int | None = None
        self._end = 0

    @property
    def start(self) -> int:
        """Index of the oldest sample held."""
        return max(self._first or 0, self._end - self._capacity)

    @property
    def end(self) -> int:
        """Index behind the newest sample."""
        return self._end

    def write(self, block: AudioBlock) -> None:
        """Append `block`. Raises ValueError if it does not belong behind what is here."""
        channels, count = block.samples.shape
        if (block.rate_hz, channels) != (self.rate_hz, self.channels):
            raise ValueError(
                f"a block of {channels} channels at {block.rate_hz} Hz "
                f"does not fit a ring of {self.channels} at {self.rate_hz} Hz"
            )
        if self._first is None:
            self._first = self._end = block.start
        if block.start < self._end:
            raise ValueError(
                f"a block starts at {block.start}, behind which the ring already is ({self._end})"
            )
        self._put_zeros(block.start - self._end)
        self._put(_to_pcm(block.samples[:, -self._capacity :]), skipped=max(0, count - self._capacity))

    def read(self, start: int, end: int) -> Samples:
        """Return a copy of the samples [start, end) as float32 [channels, n]. Raises AudioNotHeld."""
        return self.read_pcm(start, end) * np.float32(1 / PCM_SCALE)

    def read_pcm(self, start: int, end: int) -> NDArray[np.int16]:
        """Return a copy of the samples [start, end) as they are stored. Raises AudioNotHeld."""
        if not self.start <= start <= end <= self._end:
            raise AudioNotHeld(start=start, end=end, held_start=self.start, held_end=self._end)
        return self._pcm.take(np.arange(start, end), axis=1, mode="wrap")

    def _put(self, pcm: NDArray[np.int16], *, skipped: int) -> None:
        self._end += skipped
        at = self._end % self._capacity
        count = pcm.shape[1]
        head = min(count, self._capacity - at)
        self._pcm[:, at : at + head] = pcm[:, :head]
        self._pcm[:, : count - head] = pcm[:, head:]
        self._end += count

    def _put_zeros(self, count: int) -> None:
        held = min(count, self._capacity)
        self._put(np.zeros((self.channels, held), np.int16), skipped=count - held)


def _to_pcm(samples: Samples) -> NDArray[np.int16]:
    finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
    return np.clip(np.rint(finite * PCM_SCALE), -PCM_SCALE, PCM_SCALE - 1).astype(np.int16)
