"""The synthesis is a pure function of its generator and stays within what a sound file can hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from daemon.demo.synthesis import household, impacts, tones, voice
from daemon.demo.synthesis.room import draw_room, placed, room_noise
from daemon.demo.synthesis.signal import RATE_HZ, modes, noise, samples, shaped, times
from detectors.types import Samples

Make = Callable[[np.random.Generator], Samples]

SOUNDS: dict[str, tuple[Make, float, float]] = {
    "glass_breaking": (impacts.glass_breaking, 1.0, 2.5),
    "finger_snap": (impacts.finger_snap, 0.1, 0.3),
    "smoke_alarm": (lambda rng: tones.smoke_alarm(rng, cycles=1), 2.5, 3.0),
    "siren": (tones.siren, 5.0, 7.0),
    "doorbell": (lambda rng: tones.ring_doorbell(rng, tones.draw_doorbell(rng)), 1.5, 5.0),
    "baby_crying": (voice.baby_crying, 2.0, 8.0),
    "babble": (lambda rng: voice.babble(rng, 2.0, talkers=2), 2.0, 2.0),
    "fan": (lambda rng: household.fan(rng, 2.0), 2.0, 2.0),
    "refrigerator": (lambda rng: household.refrigerator(rng, 2.0), 2.0, 2.0),
    "music": (lambda rng: household.music(rng, 2.0), 2.0, 2.0),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_is_finite_mono_float32_with_its_peak_at_one(name: str) -> None:
    """Levels are set later, by the room: every sound comes at full scale, as long as it should be."""
    make, shortest_s, longest_s = SOUNDS[name]
    sound = make(np.random.default_rng(3))
    assert sound.dtype == np.float32
    assert sound.ndim == 1
    assert np.all(np.isfinite(sound))
    assert np.max(np.abs(sound)) == pytest.approx(1.0)
    assert shortest_s <= len(sound) / RATE_HZ <= longest_s


@pytest.mark.parametrize("name", SOUNDS)
def test_one_seed_gives_one_sound_and_another_seed_another(name: str) -> None:
    """A demonstration can be repeated exactly."""
    make = SOUNDS[name][0]
    first, again, other = (make(np.random.default_rng(seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert len(other) != len(first) or not np.array_equal(other, first)


def test_the_smoke_alarm_keeps_the_temporal_three_pattern() -> None:
    """Three tones of half a second, half a second apart, and nothing in the pause of a second and a half."""
    alarm = tones.smoke_alarm(np.random.default_rng(0), cycles=2)
    half = samples(0.5)
    loud = [
        float(np.sqrt(np.mean(alarm[at : at + half] ** 2))) > 0.1 for at in range(0, len(alarm) - half, half)
    ]
    assert loud == [True, False, True, False, True, False, False, False, True, False, True, False, True]


def test_the_siren_sweeps_up_and_down() -> None:
    """Its strongest frequency moves over more than half an octave."""
    wail = tones.siren(np.random.default_rng(1))
    window = samples(0.1)
    peaks = [
        np.argmax(np.abs(np.fft.rfft(wail[at : at + window]))) * 10
        for at in range(samples(0.5), len(wail) - samples(1.0), window)
    ]
    assert max(peaks) > 1.5 * min(peaks)


def test_a_doorbell_keeps_its_notes_from_ring_to_ring() -> None:
    """Two strokes of one bell differ, but their strongest partials are the same."""
    rng = np.random.default_rng(4)
    bell = tones.draw_doorbell(rng)
    first, second = (tones.ring_doorbell(rng, bell) for _ in range(2))
    assert not np.array_equal(first, second)
    strongest = [np.argmax(np.abs(np.fft.rfft(ring[: samples(0.3)]))) for ring in (first, second)]
    assert strongest[0] == strongest[1]


def test_a_room_sets_the_level_and_adds_its_tail() -> None:
    """What the microphone takes has the peak that was asked for and lasts longer than the sound."""
    rng = np.random.default_rng(2)
    room = draw_room(rng)
    snap = impacts.finger_snap(rng)
    heard = placed(rng, room, snap, -12.0)
    assert np.max(np.abs(heard)) == pytest.approx(10 ** (-12 / 20), rel=1e-3)
    assert len(heard) > len(snap)
    quiet = room_noise(rng, room, samples(1.0))
    assert 20 * np.log10(np.sqrt(np.mean(quiet**2))) == pytest.approx(room.floor_dbfs, abs=0.5)


def test_modes_are_the_decaying_sinusoids_that_they_stand_for() -> None:
    """The table of powers equals the formula, sample by sample."""
    fast = modes(1_000, np.array([440.0]), np.array([0.2]), np.array([0.7]))
    at = times(1_000)
    slow = 0.7 * np.exp(-6.908 * at / 0.2) * np.sin(2 * np.pi * 440 * at)
    np.testing.assert_allclose(fast, slow, atol=1e-9)


def test_shaping_with_a_flat_spectrum_changes_nothing() -> None:
    """Filters are gains over frequency; a gain of one is no filter."""
    signal = noise(np.random.default_rng(0), 5_000)
    np.testing.assert_allclose(shaped(signal, np.ones_like), signal, atol=1e-12)
