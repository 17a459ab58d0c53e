"""Voices by source and filter: a baby's cry, and the babble of several people in the next room."""

from __future__ import annotations

import numpy as np

from daemon.demo.synthesis.signal import (
    CONTROL_HOP,
    Envelope,
    Floats,
    band,
    breakpoints,
    geometric,
    harmonics,
    noise,
    normalised,
    resonant,
    samples,
    shaped,
    tilt,
    times,
    uniform,
    wander,
)
from detectors.types import Samples

VOWELS_HZ = (
    (750, 1_250, 2_600),
    (500, 1_850, 2_500),
    (300, 2_300, 3_000),
    (450, 850, 2_400),
    (320, 800, 2_300),
)
"""The first three resonances of a grown-up's vocal tract for a, e, i, o, u."""


def _tract(formants_hz: tuple[float, ...], *, width: float = 1.0) -> Envelope:
    """A vocal tract: one resonance for each formant, narrower below than above, over a quiet floor."""
    peaks = [(hz, width * (60 + 0.06 * hz), 1.0 / (1 + index * 0.4)) for index, hz in enumerate(formants_hz)]
    gain = resonant(*peaks)
    return lambda hz: gain(hz) + 0.01


def baby_crying(rng: np.random.Generator) -> Samples:
    """An infant cries: arcs of half a second to a second, a sharp breath between them."""
    number = int(rng.integers(3, 5))
    size = uniform(rng, 0.92, 1.08)
    pitch_hz = uniform(rng, 400, 500)
    pieces: list[Floats] = []
    for _ in range(number):
        pieces.append(_wail(rng, pitch_hz * uniform(rng, 0.94, 1.08), size))
        pieces.append(np.zeros(samples(uniform(rng, 0.03, 0.08))))
        pieces.append(_breath(rng, size))
        pieces.append(np.zeros(samples(uniform(rng, 0.03, 0.1))))
    return normalised(np.concatenate(pieces))


def _wail(rng: np.random.Generator, pitch_hz: float, size: float) -> Floats:
    seconds = uniform(rng, 0.6, 1.1)
    count = samples(seconds)
    arc = breakpoints(
        count, (0, 0.72), (0.1 * seconds, 1.0), (0.35 * seconds, 1.1), (0.75 * seconds, 1.0), (seconds, 0.75)
    )
    vibrato = 0.012 * np.sin(2 * np.pi * uniform(rng, 5, 8) * times(count)) + 0.012 * wander(rng, count, 25)
    pitch = pitch_hz * arc * (1 + vibrato)
    formants = tuple(size * hz for hz in (1_050, 3_300, 5_400, 7_600))
    tract = _tract(formants, width=2.2)
    opening = breakpoints(count, (0, 0.0), (0.12, 1.0), (seconds, 0.8))

    def gain(hz: Floats, at: Floats) -> Floats:
        openness = np.interp(at, times(count)[::CONTROL_HOP], opening[::CONTROL_HOP])
        nasal = resonant((500 * size, 250, 0.8))(hz)
        return (openness * tract(hz) + (1 - openness) * nasal) * (600 / hz) ** 0.5

    voiced = harmonics(pitch, gain, 11_000)
    voiced /= float(np.max(np.abs(voiced)))
    rough = 1 + 0.18 * wander(rng, count, 70)
    air = noise(rng, count, tract, tilt(2)) * 0.05
    loud = breakpoints(count, (0, 0), (0.06, 0.7), (0.3 * seconds, 1), (0.8 * seconds, 0.8), (seconds, 0))
    return (voiced * rough + air) * loud


def _breath(rng: np.random.Generator, size: float) -> Floats:
    seconds = uniform(rng, 0.15, 0.25)
    count = samples(seconds)
    air = noise(rng, count, _tract((1_400 * size, 3_500 * size, 5_600 * size), width=4), band(700, 9_000))
    return air * breakpoints(count, (0, 0), (0.6 * seconds, 0.12), (seconds, 0))


def babble(rng: np.random.Generator, seconds: float, talkers: int = 5) -> Samples:
    """Several people talk at once behind a wall: syllables without words."""
    out = np.zeros(samples(seconds))
    for _ in range(talkers):
        out += _talker(rng, len(out))
    return normalised(shaped(out, band(120, 2_500, 1)))


def _talker(rng: np.random.Generator, count: int) -> Floats:
    """One voice: a run of syllables with gliding formants, pauses between phrases."""
    pitch_hz = geometric(rng, 95, 230)
    size = 1.0 if pitch_hz < 150 else 1.15
    control = np.arange(0, count + CONTROL_HOP, CONTROL_HOP)
    loud = np.zeros(len(control))
    formants = np.zeros((len(control), 3))
    at = int(rng.integers(0, 100))
    vowel = np.array(VOWELS_HZ[0], dtype=np.float64)
    while at < len(control):
        length = int(rng.integers(24, 52))
        target = size * np.array(VOWELS_HZ[int(rng.integers(5))]) * rng.uniform(0.93, 1.07, 3)
        stretch = slice(at, min(at + length, len(control)))
        glide = np.linspace(0, 1, length)[: stretch.stop - stretch.start]
        formants[stretch] = vowel + np.minimum(glide * 2, 1)[:, None] * (target - vowel)
        loud[stretch] = np.sin(np.pi * glide) ** 0.7 * uniform(rng, 0.4, 1.0)
        vowel = target
        at += length + (int(rng.integers(60, 160)) if rng.random() < 0.15 else int(rng.integers(0, 8)))
    formants[formants == 0] = 500

    def gain(hz: Floats, _at: Floats) -> Floats:
        total = np.zeros_like(hz)
        for index, weight in enumerate((1.0, 0.5, 0.25)):
            bandwidth = 80 + 40 * index
            total += weight / np.sqrt(1 + ((hz - formants[: len(hz), index]) / bandwidth) ** 2)
        return total * loud[: len(hz)] * (200 / hz)

    pitch = pitch_hz * (1 + 0.1 * wander(rng, count, 2) + 0.01 * wander(rng, count, 40))
    return harmonics(np.maximum(pitch, 60.0), gain, 3_500)
