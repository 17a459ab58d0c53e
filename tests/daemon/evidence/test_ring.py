"""What the ring holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.evidence.ring import AudioNotHeld, Ring
from detectors.types import AudioBlock
from tests.daemon.sounds import block, pcm


def ring(samples: int = 100, channels: int = 1) -> Ring:
    return Ring(seconds=samples / 8_000, rate_hz=8_000, channels=channels)


@settings(deadline=None, max_examples=50)
@given(
    pieces=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 250)), max_size=12),
    first=st.integers(0, 10_000),
    channels=st.integers(1, 3),
)
def test_the_newest_samples_are_there_in_any_chunking(
    pieces: list[tuple[int, int]], first: int, channels: int
) -> None:
    """Whatever blocks came and however large, the ring equals the end of the whole stream, gaps as zeros."""
    tested = ring(channels=channels)
    whole = np.zeros((channels, 0), np.int16)
    at = first
    for gap, count in [(0, 1), *pieces]:
        at += gap
        tested.write(block(at, at + count, channels=channels))
        whole = np.hstack(
            [whole, np.zeros((channels, gap), np.int16), pcm(at, at + count, channels=channels)]
        )
        at += count
    assert tested.end == at
    assert tested.start == max(first, at - 100)
    np.testing.assert_array_equal(tested.read_pcm(tested.start, at), whole[:, tested.start - at :])


def test_sixteen_bit_audio_comes_back_to_the_bit() -> None:
    """What a 16-bit source delivered, a clip can prove."""
    tested = ring(70_000)
    original = np.arange(-32_768, 32_768, dtype=np.int64).astype(np.float32)[None] * np.float32(1 / 32_768)
    tested.write(AudioBlock(samples=original, rate_hz=8_000, start=0))
    np.testing.assert_array_equal(tested.read(0, 65_536), original)
    assert tested.read(0, 10).dtype == np.float32


def test_what_is_no_number_becomes_silence_and_what_is_too_loud_full_scale() -> None:
    """Broken samples do not wrap around into noise."""
    tested = ring()
    samples = np.array([[np.nan, np.inf, -np.inf, 2.0, -2.0]], np.float32)
    tested.write(AudioBlock(samples=samples, rate_hz=8_000, start=0))
    assert tested.read_pcm(0, 5).tolist() == [[0, 0, 0, 32_767, -32_768]]


@pytest.mark.parametrize(("start", "end", "why"), [(0, 50, "no longer"), (280, 301, "not been heard")])
def test_audio_that_is_not_there_is_a_clear_error(start: int, end: int, why: str) -> None:
    """The error says whether the audio is gone or still to come, and what is held."""
    tested = ring()
    tested.write(block(0, 300))
    with pytest.raises(AudioNotHeld, match=why) as caught:
        tested.read(start, end)
    assert (caught.value.held_start, caught.value.held_end) == (200, 300)
    assert isinstance(caught.value, LookupError)


def test_a_block_that_does_not_belong_here_is_refused() -> None:
    """Another rate, another number of channels, or a step back in time is a fault of the caller."""
    tested = ring()
    tested.write(block(0, 10))
    for wrong in (block(10, 20, channels=2), block(10, 20, rate_hz=16_000), block(5, 20)):
        with pytest.raises(ValueError, match="block"):
            tested.write(wrong)


def test_a_reading_is_a_copy() -> None:
    """A clip in the making does not change while the ring goes on."""
    tested = ring()
    tested.write(block(0, 100))
    held = tested.read_pcm(0, 100)
    tested.write(block(100, 200))
    np.testing.assert_array_equal(held, pcm(0, 100))
