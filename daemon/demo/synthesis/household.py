"""What a home sounds like when nothing matters: a fan, a refrigerator, music from the next room."""

from __future__ import annotations

import numpy as np

from daemon.demo.synthesis.signal import (
    RATE_HZ,
    Floats,
    add_at,
    band,
    breakpoints,
    geometric,
    modes,
    noise,
    normalised,
    samples,
    tilt,
    times,
    uniform,
    wander,
)
from daemon.demo.synthesis.walls import through_a_wall
from detectors.types import Samples

PROGRESSIONS = (
    ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14)),
    ((0, 3, 7), (8, 12, 15), (3, 7, 10), (10, 14, 17)),
)
"""Chords in semitones above the key's first note: a major key and a minor one."""


def fan(rng: np.random.Generator, seconds: float) -> Samples:
    """A ventilator on its lowest step: soft air and the motor's hum."""
    count = samples(seconds)
    air = noise(rng, count, tilt(-5, 300), band(60, 3_000, 1)) * (1 + 0.03 * wander(rng, count, 2))
    hum_hz = uniform(rng, 48, 60)
    at = times(count)
    hum = np.sin(2 * np.pi * 2 * hum_hz * at) + 0.4 * np.sin(2 * np.pi * 4 * hum_hz * at)
    return normalised((air + 0.15 * hum) * _fades(count, 0.8))


def refrigerator(rng: np.random.Generator, seconds: float) -> Samples:
    """A compressor: mains hum with a few harmonics, and a little rumble."""
    count = samples(seconds)
    at = times(count)
    hum = sum(
        gain * np.sin(2 * np.pi * 50 * order * at + uniform(rng, 0, 6.28))
        for order, gain in ((1, 0.5), (2, 1.0), (3, 0.15), (4, 0.3), (6, 0.1))
    )
    rumble = noise(rng, count, tilt(-6, 200), band(40, 800))
    return normalised((hum * (1 + 0.05 * wander(rng, count, 1.5)) + 0.4 * rumble) * _fades(count, 0.8))


def music(rng: np.random.Generator, seconds: float) -> Samples:
    """A band plays in the next room: strummed chords, a bass, a few notes of melody, drums."""
    out = np.zeros(samples(seconds))
    beat_s = uniform(rng, 0.42, 0.55)
    root_hz = geometric(rng, 98, 147)
    progression = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    for beat in range(int(seconds / beat_s)):
        chord = progression[(beat // 4) % 4]
        start = samples(beat * beat_s)
        if beat % 4 == 0:
            add_at(out, _string(rng, root_hz / 2 * _ratio(chord[0] % 12), 0.9), start, 0.5)
        if beat % 2 == 0:
            for index, step in enumerate(chord):
                add_at(out, _string(rng, root_hz * 2 * _ratio(step), 0.9), start + samples(0.02 * index), 0.4)
        melody = _string(rng, root_hz * 4 * _ratio(chord[beat % 3]), 0.8)
        add_at(out, melody, start + samples(beat_s / 2), 0.3)
        _drum(rng, out, beat, start, samples(beat_s / 2))
    heard = 0.5 * out + through_a_wall(rng, out, reverberation_s=0.6, highest_hz=4_000)
    return normalised(heard * _fades(len(out), 1.5))


def _drum(rng: np.random.Generator, out: Floats, beat: int, start: int, half_beat: int) -> None:
    """Strike the cymbal twice a beat, the bass drum and the snare drum in turn on every other beat."""
    at = times(samples(0.25))
    for offset in (0, half_beat):
        add_at(out, noise(rng, len(at), band(5_000, 12_000)) * np.exp(-at / 0.02), start + offset, 0.12)
    if beat % 2 == 0:
        swoop = 52 * at + 2 * (1 - np.exp(-at / 0.03))
        add_at(out, np.sin(2 * np.pi * swoop) * np.exp(-at / 0.09), start, 0.9)
    else:
        add_at(out, noise(rng, len(at), band(400, 5_000, 1)) * np.exp(-at / 0.05), start, 0.35)


def _ratio(semitones: int) -> float:
    return float(2 ** (semitones / 12))


def _string(rng: np.random.Generator, pitch_hz: float, decay_s: float) -> Floats:
    """A plucked string: harmonics that are weaker and shorter the higher they stand."""
    orders = np.arange(1, 13, dtype=np.float64)
    frequencies = pitch_hz * orders * np.sqrt(1 + 0.0002 * orders**2)
    pluck = uniform(rng, 0.18, 0.3)
    gains = np.abs(np.sin(np.pi * orders * pluck)) / orders**1.3
    count = samples(decay_s)
    soft = np.minimum(times(count) / 0.004, 1.0)
    return modes(count, frequencies, decay_s / orders**0.6, gains) * soft * np.linspace(1, 0, count)


def _fades(count: int, seconds: float) -> Floats:
    total = count / RATE_HZ
    return breakpoints(count, (0, 0), (seconds, 1), (total - seconds, 1), (total, 0))
