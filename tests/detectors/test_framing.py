from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.framing import Framer
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, AudioBlock, Hop

RATES_HZ = (8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)


def noise(rate_hz: int, seconds: float, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return (0.2 * generator.standard_normal((channels, round(rate_hz * seconds)))).astype(np.float32)


def frame(samples: NDArray[np.float32], rate_hz: int, sizes: list[int]) -> list[Hop]:
    """Feed the samples in blocks of these sizes, over and over."""
    framer = Framer(rate_hz=rate_hz, channels=len(samples))
    hops: list[Hop] = []
    start = turn = 0
    while start < samples.shape[1]:
        block = samples[:, start : start + sizes[turn % len(sizes)]]
        hops += framer.accept(AudioBlock(samples=block, rate_hz=rate_hz, start=start))
        start += block.shape[1]
        turn += 1
    return hops + framer.flush()


def joined(hops: list[Hop]) -> NDArray[np.float32]:
    assert [hop.index for hop in hops] == list(range(len(hops)))
    return np.concatenate([hop.samples for hop in hops])


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("channels", [1, 9])
def test_any_chunking_gives_the_same_bits(rate_hz: int, channels: int) -> None:
    """One-second, 20 ms and 37-sample blocks give identical hops; so do single samples."""
    samples = noise(rate_hz, 0.3, channels)
    whole = joined(frame(samples, rate_hz, [rate_hz]))
    assert np.array_equal(whole, joined(frame(samples, rate_hz, [rate_hz // 50])))
    assert np.array_equal(whole, joined(frame(samples, rate_hz, [37])))
    assert np.array_equal(
        joined(frame(samples[:, :2_000], rate_hz, [2_000])), joined(frame(samples[:, :2_000], rate_hz, [1]))
    )


@settings(max_examples=20, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=12),
    samples=st.integers(0, 12_000),
)
def test_random_chunkings_give_the_same_bits(rate_hz: int, sizes: list[int], samples: int) -> None:
    """Whatever the blocks, hops depend on the samples alone."""
    audio = noise(rate_hz, samples / rate_hz, 2)
    whole = frame(audio, rate_hz, [max(1, samples)])
    pieces = frame(audio, rate_hz, sizes)
    assert len(whole) == len(pieces)
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(whole, pieces, strict=True))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_an_impulse_stays_where_it_was(rate_hz: int) -> None:
    """The resampler's delay does not move an onset, not even by a millisecond."""
    samples = np.zeros((1, 2 * rate_hz), np.float32)
    samples[0, rate_hz] = 1.0
    output = joined(frame(samples, rate_hz, [rate_hz // 50]))
    assert abs(int(np.abs(output).argmax()) - DETECTION_RATE_HZ) < DETECTION_RATE_HZ / 1_000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_the_last_hop_is_filled_up(rate_hz: int) -> None:
    """Every sample is in some hop, and hops are whole."""
    hops = frame(noise(rate_hz, 1.01), rate_hz, [960])
    assert len(hops) == 13
    assert all(hop.samples.shape == (HOP_SAMPLES,) for hop in hops)
    assert not hops[-1].samples[-480:].any()


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 192_000])
def test_hops_come_soon_after_their_audio(rate_hz: int) -> None:
    """The resampler is never more than 60 ms behind at the rates that sound cards have."""
    samples = noise(rate_hz, 3.0)
    framer = Framer(rate_hz=rate_hz, channels=1)
    size = rate_hz // 50
    hops = 0
    for start in range(0, samples.shape[1], size):
        block = samples[:, start : start + size]
        hops += len(framer.accept(AudioBlock(samples=block, rate_hz=rate_hz, start=start)))
        due_s = (start + size) / rate_hz - 0.06
        assert hops >= int(due_s * DETECTION_RATE_HZ / HOP_SAMPLES)


def test_dropped_samples_count_as_silence() -> None:
    """A block that starts late leaves a gap of zeros, and later hops keep their time."""
    framer = Framer(rate_hz=16_000, channels=1)
    ones = np.full((1, HOP_SAMPLES), 0.5, np.float32)
    hops = framer.accept(AudioBlock(samples=ones, rate_hz=16_000, start=0))
    hops += framer.accept(AudioBlock(samples=ones, rate_hz=16_000, start=3 * HOP_SAMPLES))
    assert [hop.index for hop in hops] == [0, 1, 2, 3]
    assert [float(hop.samples.mean()) for hop in hops] == [0.5, 0.0, 0.0, 0.5]


def test_a_block_from_the_past_is_refused() -> None:
    """Time goes forward."""
    framer = Framer(rate_hz=16_000, channels=1)
    block = AudioBlock(samples=np.zeros((1, 100), np.float32), rate_hz=16_000, start=0)
    framer.accept(block)
    with pytest.raises(ValueError, match="before 100"):
        framer.accept(block)


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 2), (48_000, 1)])
def test_a_block_of_another_format_is_refused(rate_hz: int, channels: int) -> None:
    """A stream keeps its rate and channels."""
    block = AudioBlock(samples=np.zeros((channels, 100), np.float32), rate_hz=rate_hz, start=0)
    with pytest.raises(ValueError, match="1 channels at 16000 Hz"):
        Framer(rate_hz=16_000, channels=1).accept(block)


def test_a_stream_ends_once() -> None:
    """Nothing comes after the end."""
    framer = Framer(rate_hz=16_000, channels=1)
    framer.flush()
    with pytest.raises(ValueError, match="has ended"):
        framer.flush()
    with pytest.raises(ValueError, match="has ended"):
        framer.accept(AudioBlock(samples=np.zeros((1, 1), np.float32), rate_hz=16_000, start=0))


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_values_that_are_no_audio_do_no_harm(rate_hz: int) -> None:
    """NaN and infinities become silence, what is beyond full scale is clipped; the rest stays."""
    samples = np.full((2, rate_hz), 0.5, np.float32)
    samples[0, ::7] = np.nan
    samples[0, 1::7] = np.inf
    samples[1, 2::7] = -1e38
    output = joined(frame(samples, rate_hz, [rate_hz // 50]))
    assert np.isfinite(output).all()
    assert np.abs(output).max() < 1.5


def test_no_audio_gives_no_hops() -> None:
    """An empty block and an empty stream are fine."""
    framer = Framer(rate_hz=48_000, channels=2)
    assert framer.accept(AudioBlock(samples=np.zeros((2, 0), np.float32), rate_hz=48_000, start=0)) == []
    assert framer.flush() == []


def test_channels_are_averaged() -> None:
    """Detection hears the mean of the channels."""
    samples = np.stack([np.full(HOP_SAMPLES, 0.5), np.full(HOP_SAMPLES, -0.25)]).astype(np.float32)
    assert np.all(joined(frame(samples, 16_000, [100])) == np.float32(0.125))
