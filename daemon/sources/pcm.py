"""Raw PCM: headerless samples, as programs write them into pipes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectors.types import Samples


class SampleFormat(StrEnum):
    """How one sample is written; the names are those that arecord and ffmpeg use, little-endian all."""

    U8 = "u8"
    S16LE = "s16le"
    S24LE = "s24le"
    S32LE = "s32le"
    F32LE = "f32le"

    @property
    def sample_bytes(self) -> int:
        """The size of one sample of one channel."""
        return {"u8": 1, "s16le": 2, "s24le": 3}.get(self.value, 4)


def sample_format_of(width_bytes: int) -> SampleFormat:
    """Return the format of integers of 1 to 4 bytes; those of one byte are unsigned, as in WAV files."""
    return (SampleFormat.U8, SampleFormat.S16LE, SampleFormat.S24LE, SampleFormat.S32LE)[width_bytes - 1]


class PcmReader:
    """Decodes pieces of a stream; a frame that is split between two of them is put together again."""

    def __init__(self, sample_format: SampleFormat, channels: int) -> None:
        self._sample_format = sample_format
        self._channels = channels
        self._pending = b""

    def take(self, piece: bytes) -> Samples:
        """Return what `piece` completes, float32 [channels, n]; n may be 0."""
        raw = self._pending + piece
        frame_bytes = self._sample_format.sample_bytes * self._channels
        whole = len(raw) // frame_bytes * frame_bytes
        self._pending = raw[whole:]
        return decode_pcm(raw[:whole], self._sample_format, self._channels)


def decode_pcm(raw: bytes, sample_format: SampleFormat, channels: int) -> Samples:
    """Turn whole interleaved frames into float32 [channels, n], full scale being 1."""
    match sample_format:
        case SampleFormat.U8:
            flat = np.frombuffer(raw, np.uint8) / np.float32(1 << 7) - np.float32(1)
        case SampleFormat.S16LE:
            flat = np.frombuffer(raw, "<i2") / np.float32(1 << 15)
        case SampleFormat.S24LE:
            wide = np.zeros((len(raw) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
            flat = wide.view("<i4")[:, 0] / np.float64(1 << 31)
        case SampleFormat.S32LE:
            flat = np.frombuffer(raw, "<i4") / np.float64(1 << 31)
        case SampleFormat.F32LE:
            flat = np.frombuffer(raw, "<f4")
    samples: Samples = np.ascontiguousarray(flat.reshape(-1, channels).T, dtype=np.float32)
    return samples
