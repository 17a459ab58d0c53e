"""From blocks as a source delivers them to hops of 16 kHz mono, in which the index is the time."""

from __future__ import annotations

import numpy as np
import soxr

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, AudioBlock, Hop, Samples

PIECES_PER_SECOND = 50
"""The resampler is fed pieces of this length only: no chunking of the input can show in its output."""

HIGHEST_HQ_RATE_HZ = 48_000
"""Up to here soxr's HQ (20 bits; at 44.1 and 48 kHz at most 40 ms behind) costs no more time than its MQ.
Above, MQ (16 bits, aliases 96 dB down) is half as far behind: 38 ms instead of 79 ms."""


class Framer:
    """Cuts one stream into hops.

    How many hops exist depends on the number of samples received and on nothing else; any chunking of the
    same audio gives the same bits. Samples that a source dropped (a block that starts late) count as silence,
    so `Hop.index` stays true to time. The buffers are this package's one mutable state.
    """

    def __init__(self, *, rate_hz: int, channels: int) -> None:
        if rate_hz < PIECES_PER_SECOND or channels < 1:
            raise ValueError(f"cannot frame {channels} channels at {rate_hz} Hz")
        self._rate_hz = rate_hz
        self._channels = channels
        self._piece = rate_hz // PIECES_PER_SECOND
        self._resampler = (
            None
            if rate_hz == DETECTION_RATE_HZ
            else soxr.ResampleStream(
                rate_hz,
                DETECTION_RATE_HZ,
                1,
                dtype="float32",
                quality="HQ" if rate_hz <= HIGHEST_HQ_RATE_HZ else "MQ",
            )
        )
        self._received = 0
        self._input = np.zeros(0, np.float32)
        self._output = np.zeros(0, np.float32)
        self._next_index = 0
        self._flushed = False

    @property
    def received(self) -> int:
        """Samples so far at the source's rate, dropped ones included: where the next block should start."""
        return self._received

    def accept(self, block: AudioBlock) -> list[Hop]:
        """Take the stream's next block and return the hops that it completes.

        Values that are not finite become 0, values beyond full scale are clipped. Raises ValueError for a
        block of another format, one that goes back in time, or one after `flush`.
        """
        if self._flushed:
            raise ValueError("this stream has ended")
        if block.rate_hz != self._rate_hz or block.samples.shape[0] != self._channels:
            raise ValueError(
                f"the stream is {self._channels} channels at {self._rate_hz} Hz, "
                f"this block {block.samples.shape[0]} at {block.rate_hz} Hz"
            )
        dropped = block.start - self._received
        if dropped < 0:
            raise ValueError(f"the block starts at {block.start}, before {self._received}")
        self._received += dropped + block.samples.shape[1]
        mono = _mono(block.samples)
        if dropped:
            mono = np.concatenate((np.zeros(dropped, np.float32), mono))
        self._resample(mono)
        return self._cut()

    def flush(self) -> list[Hop]:
        """End the stream and return its last hops, the very last one filled up with silence."""
        if self._flushed:
            raise ValueError("this stream has ended")
        self._flushed = True
        if self._resampler is not None:
            tail = self._resampler.resample_chunk(self._input, last=True)
            self._output = np.concatenate((self._output, tail))
        missing = -len(self._output) % HOP_SAMPLES
        self._output = np.concatenate((self._output, np.zeros(missing, np.float32)))
        return self._cut()

    def _resample(self, mono: Samples) -> None:
        if self._resampler is None:
            self._output = np.concatenate((self._output, mono))
            return
        waiting = np.concatenate((self._input, mono))
        whole = len(waiting) - len(waiting) % self._piece
        pieces = [
            self._resampler.resample_chunk(waiting[at : at + self._piece])
            for at in range(0, whole, self._piece)
        ]
        self._input = waiting[whole:]
        self._output = np.concatenate((self._output, *pieces))

    def _cut(self) -> list[Hop]:
        count = len(self._output) // HOP_SAMPLES
        first = self._next_index
        hops = [
            Hop(index=first + n, samples=self._output[n * HOP_SAMPLES : (n + 1) * HOP_SAMPLES])
            for n in range(count)
        ]
        self._next_index += count
        self._output = self._output[count * HOP_SAMPLES :]
        return hops


def _mono(samples: Samples) -> Samples:
    """Return the mean of the channels, finite and within full scale."""
    clean = samples.astype(np.float32, copy=False)
    if clean.size and not np.abs(clean).max() <= 1.0:  # true for NaN as well
        clean = np.clip(np.where(np.isfinite(clean), clean, np.float32(0.0)), -1.0, 1.0)
    if len(clean) == 1:
        mono: Samples = clean[0]
        return mono
    # Added one after another: numpy's own mean may add in another order when a block is one sample long.
    total: Samples = clean[0]
    for channel in clean[1:]:
        total = total + channel
    return total / np.float32(len(clean))
