"""Raw PCM means what its format says, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.sources.pcm import SampleFormat, decode_pcm


@pytest.mark.parametrize(
    ("sample_format", "lowest", "highest"),
    [
        (SampleFormat.S16LE, b"\x00\x80", b"\xff\x7f"),
        (SampleFormat.S24LE, b"\x00\x00\x80", b"\xff\xff\x7f"),
        (SampleFormat.S32LE, b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f"),
        (SampleFormat.F32LE, np.float32(-1).tobytes(), np.float32(1).tobytes()),
    ],
)
def test_full_scale_is_one(sample_format: SampleFormat, lowest: bytes, highest: bytes) -> None:
    """The most negative value is minus one, the most positive one (almost) one, and zero is zero."""
    zero = bytes(sample_format.sample_bytes)

    samples = decode_pcm(lowest + zero + highest, sample_format, 1)

    assert samples.dtype == np.float32
    assert samples[0, 0] == -1
    assert samples[0, 1] == 0
    assert 1 - 2**-15 <= samples[0, 2] <= 1


@settings(deadline=None)  # the machine may be busy with other work
@given(st.lists(st.integers(-(1 << 23), (1 << 23) - 1), max_size=50))
def test_24_bits_survive_in_float(values: list[int]) -> None:
    """Every 24-bit value has its own float32."""
    raw = b"".join(value.to_bytes(3, "little", signed=True) for value in values)

    samples = decode_pcm(raw, SampleFormat.S24LE, 1)

    assert (samples[0] * (1 << 23)).astype(int).tolist() == values


def test_interleaved_channels_are_separated() -> None:
    """Frames hold one sample of each channel."""
    frames = np.array([[1, -1], [2, -2], [3, -3]], "<i2")

    samples = decode_pcm(frames.tobytes(), SampleFormat.S16LE, 2)

    np.testing.assert_array_equal(samples * (1 << 15), [[1, 2, 3], [-1, -2, -3]])
    assert samples.flags.c_contiguous
