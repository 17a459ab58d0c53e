"""What window networks share: interpolation, the window in the state, and resting between hops."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from detectors.encoders import EncoderId
from detectors.encoders.windowed import (
    WindowedEncoder,
    Windowing,
    tail_samples,
    upsample,
    windowed_id,
)
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples


class LastSamples:
    """A network that shows what it was given, and counts how often."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, windows: Samples) -> NDArray[np.float32]:
        self.rows += len(windows)
        return np.stack([windows[:, 0], windows[:, -1], np.abs(windows).sum(axis=1)], axis=1)


def _encoder(network: LastSamples, windowing: Windowing) -> WindowedEncoder:
    return WindowedEncoder(network, windowing, EncoderId(name="last", sha256="0" * 64, dim=3))


def _noise(streams: int, hops: int) -> Samples:
    rng = np.random.default_rng(2)
    return (rng.standard_normal((streams, hops, HOP_SAMPLES)) * 0.1).astype(np.float32)


@pytest.mark.parametrize("factor", [2, 3])
def test_interpolation_agrees_with_a_reference_resampler(factor: int) -> None:
    """Hop by hop, what lies below 7 kHz comes out as soxr has it, later by the filter's delay."""
    seconds = np.arange(20 * HOP_SAMPLES) / DETECTION_RATE_HZ
    rising = np.sin(2 * np.pi * (50 + 1_000 * seconds) * seconds)
    audio = (0.4 * rising + 0.2 * np.sin(2 * np.pi * 6_500 * seconds)).astype(np.float32)
    tails, pieces = np.zeros((1, tail_samples(factor)), np.float32), []
    for hop in audio.reshape(-1, HOP_SAMPLES):
        tails, piece = upsample(tails, hop[None], factor)
        pieces.append(piece[0])
    ours = np.concatenate(pieces)
    assert ours.dtype == np.float32
    # A symmetric filter of even length delays by half a sample more than whole ones: compare at twice that.
    delay = 64 * factor - 1
    fine = soxr.resample(audio, DETECTION_RATE_HZ, 2 * factor * DETECTION_RATE_HZ, quality="VHQ")
    middle = slice(1_000, len(ours) - 1_000)
    np.testing.assert_allclose(ours[(delay + 1) // 2 :][middle], fine[1::2][middle], atol=2e-3)


def test_interpolated_audio_is_empty_above_eight_kilohertz() -> None:
    """No mirror image of what lies below is louder than 60 dB under it."""
    tails = np.zeros((1, tail_samples(2)), np.float32)
    pieces = []
    for hop in _noise(1, 30)[0]:
        tails, piece = upsample(tails, hop[None], 2)
        pieces.append(piece[0])
    power = np.abs(np.fft.rfft(np.concatenate(pieces) * np.hanning(30 * 2 * HOP_SAMPLES))) ** 2
    frequency = np.fft.rfftfreq(30 * 2 * HOP_SAMPLES, 1 / 32_000)
    heard, mirrored = power[frequency < 6_500].mean(), power[frequency > 8_700].mean()
    assert 10 * np.log10(mirrored / heard) < -60


def test_the_window_is_the_last_samples_that_were_heard() -> None:
    """A window need be no whole number of hops."""
    windowing = Windowing(rate_hz=16_000, window_samples=2_000)
    network = LastSamples()
    encoder = _encoder(network, windowing)
    audio = _noise(1, 5)
    states = encoder.initial_state()[None]
    for hop in range(5):
        states, _ = encoder.step(states, audio[:, hop])
    np.testing.assert_array_equal(states[0, :2_000], audio[0].ravel()[-2_000:])
    assert network.rows == 5


def test_a_rate_midway_takes_every_other_sample_of_twice_that() -> None:
    """24 kHz is every second sample of 48 kHz: nothing above 8 kHz is there to fold back."""
    encoder = _encoder(LastSamples(), Windowing(rate_hz=24_000, window_samples=4_800))
    states, tails, fine = encoder.initial_state()[None], np.zeros((1, tail_samples(3)), np.float32), []
    for hop in _noise(1, 4)[0]:
        states, _ = encoder.step(states, hop[None])
        tails, finer = upsample(tails, hop[None], 3)
        fine.append(finer[0])
    window = states[0, tail_samples(3) :][:4_800]
    np.testing.assert_array_equal(window, np.concatenate(fine)[::2][-4_800:])


def test_between_its_turns_the_network_rests_and_its_answer_stands() -> None:
    """Each third hop is new; the two after it repeat it; each stream has a rhythm of its own."""
    network = LastSamples()
    encoder = _encoder(network, Windowing(rate_hz=16_000, window_samples=2_000, every_hops=3))
    audio = _noise(2, 7)
    states = np.stack([encoder.initial_state()] * 2)
    heard: list[NDArray[np.float32]] = []
    for hop in range(7):
        if hop == 1:
            states[1] = encoder.initial_state()
        states, embeddings = encoder.step(states, audio[:, hop])
        heard.append(embeddings)
    for hop in (1, 2, 4, 5):
        np.testing.assert_array_equal(heard[hop][0], heard[hop - 1][0])
    for hop in (2, 3, 5, 6):
        np.testing.assert_array_equal(heard[hop][1], heard[hop - 1][1])
    assert network.rows == 3 + 3
    assert (heard[3][0] != heard[2][0]).any()


def test_embeddings_have_unit_length_even_when_the_network_says_nothing() -> None:
    """Silence gives zeros here, and a unit vector all the same."""
    encoder = _encoder(LastSamples(), Windowing(rate_hz=32_000, window_samples=4_000))
    hops = np.stack([np.zeros(HOP_SAMPLES, np.float32), _noise(1, 1)[0, 0]])
    _, embeddings = encoder.step(np.stack([encoder.initial_state()] * 2), hops)
    assert embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_many_streams_in_one_call_equal_one_call_each() -> None:
    """Who else is in the batch changes nothing."""
    encoder = _encoder(LastSamples(), Windowing(rate_hz=32_000, window_samples=4_000, every_hops=2))
    audio = _noise(3, 4)
    together = np.stack([encoder.initial_state()] * 3)
    alone = together.copy()
    for hop in range(4):
        together, batched = encoder.step(together, audio[:, hop])
        for stream in range(3):
            only = slice(stream, stream + 1)
            alone[only], single = encoder.step(alone[only], audio[only, hop])
            np.testing.assert_allclose(single[0], batched[stream], atol=1e-6)


def test_the_identity_changes_with_anything_that_changes_the_numbers() -> None:
    """Windowing, network and front end all count."""
    windowing = Windowing(rate_hz=16_000, window_samples=16_000)
    other = Windowing(rate_hz=16_000, window_samples=16_000, every_hops=2)
    names = {
        str(windowed_id("x", chosen, 3, *rest))
        for chosen in (windowing, other)
        for rest in (("a",), ("b",), ("a", "mel"))
    }
    assert len(names) == 6


def test_a_rate_that_cannot_be_reached_is_refused() -> None:
    """44.1 kHz is no multiple of 16 kHz, and not midway between two."""
    with pytest.raises(ValueError, match="multiple"):
        Windowing(rate_hz=44_100, window_samples=44_100)
