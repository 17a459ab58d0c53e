"""What the cues of a voice say, and what leaves them as they are."""

from __future__ import annotations

import numpy as np
import pytest

from detectors import cabin_cues
from detectors.cabin_cues import CueState
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples

FULL_SCALE_DB_SPL = 120.0
DISTANCE_M = 0.1


def hiss(seconds: float, seed: int = 0) -> Samples:
    """Quiet noise."""
    return (
        np.random.default_rng(seed).normal(0.0, 1e-4, round(seconds * DETECTION_RATE_HZ)).astype(np.float32)
    )


def voice(seconds: float, amplitude: float = 0.02) -> Samples:
    """Syllables of a buzz, with gaps between."""
    at = np.arange(round(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 140 * order * at) / order for order in range(1, 40))
    return (amplitude * buzz * (np.sin(2 * np.pi * 3 * at) > -0.3)).astype(np.float32)


def said(amplitude: float = 0.02) -> Samples:
    """A second and a half of hiss, then somebody."""
    return np.concatenate([hiss(1.5), hiss(2.0, seed=1) + voice(2.0, amplitude)])


def heard(samples: Samples) -> CueState:
    """The state after hops of [microphones, n]."""
    state = cabin_cues.initial_state(len(samples))
    for start in range(0, samples.shape[1] - HOP_SAMPLES + 1, HOP_SAMPLES):
        state = cabin_cues.step(state, samples[:, start : start + HOP_SAMPLES], FULL_SCALE_DB_SPL)
    return state


@pytest.mark.parametrize("microphones", [1, 2])
def test_there_are_as_many_cues_as_their_id_says(microphones: int) -> None:
    """Profiles rely on it; and all of them are finite, before anybody spoke, too."""
    for samples in (np.zeros((microphones, 8_000), np.float32), np.stack([said()] * microphones)):
        found = cabin_cues.cues(heard(samples), DISTANCE_M)
        assert found.shape == (cabin_cues.cue_id(microphones).dim,)
        assert np.isfinite(found).all()


def test_a_second_microphone_only_adds() -> None:
    """The cues of one microphone come first, the same to the last bit."""
    one = cabin_cues.cues(heard(said()[None]), DISTANCE_M)
    two = cabin_cues.cues(heard(np.stack([said(), np.roll(said(), 2)])), DISTANCE_M)
    np.testing.assert_array_equal(two[: len(one)], one)


def test_loudness_shows_in_the_levels_and_nowhere_else() -> None:
    """Six decibels of gain raise every level by six, and leave shape, depth and decay alone."""
    quiet, loud = (cabin_cues.cues(heard(gain * said()[None]), DISTANCE_M) for gain in (1.0, 2.0))
    levels = cabin_cues.BANDS + 5
    totals = slice(cabin_cues.BANDS, levels)
    np.testing.assert_allclose(loud[totals] - quiet[totals], 6.02, atol=0.3)
    np.testing.assert_allclose(loud[levels:], quiet[levels:], atol=0.6)


def test_noise_alone_is_no_voice() -> None:
    """Nobody is taken to speak in steady noise; somebody is in speech."""
    assert heard(hiss(6.0)[None]).spoken_hops <= 2
    assert heard(said()[None]).spoken_hops > 15


def test_after_a_pause_somebody_else_may_speak() -> None:
    """What was summed up is forgotten, and the floor is not."""
    state = heard(np.concatenate([said(), hiss(1.5, seed=2)])[None])
    assert state.spoken_hops == 0
    assert state.frames < 1.0
    assert (state.floor_db < 0.0).all()


@pytest.mark.parametrize(("delay", "direction"), [(0, 0.0), (2, 0.43), (4, 0.86)])
def test_a_delay_becomes_a_direction(delay: int, direction: float) -> None:
    """Broadband sound that reaches the second microphone later comes from that much to the side."""
    noise = np.random.default_rng(5).normal(0.0, 0.02, 3 * DETECTION_RATE_HZ).astype(np.float32)
    noise[:DETECTION_RATE_HZ] *= 0.005
    two = np.stack([noise, np.roll(noise, delay)]) + np.stack([hiss(3.0), hiss(3.0, seed=1)])
    found = cabin_cues.cues(heard(two), DISTANCE_M)
    broadband = found[-7 - 11 :][:2]
    assert broadband[0] > 0.8
    assert broadband[1] == pytest.approx(direction, abs=0.07)
