"""Voices by source and filter: a baby's cry, and the babble of several people in the next room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.demo.synthesis.signal import (
    CONTROL_HOP,
    RATE_HZ,
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
    tilt,
    times,
    uniform,
    wander,
)
from daemon.demo.synthesis.walls import through_a_wall
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
    size = uniform(rng, 0.94, 1.06)
    pitch_hz = uniform(rng, 415, 495)
    pieces: list[Floats] = []
    for _ in range(number):
        pieces.append(_wail(rng, pitch_hz * uniform(rng, 0.95, 1.07), size))
        pieces.append(np.zeros(samples(uniform(rng, 0.03, 0.08))))
        pieces.append(_breath(rng, size))
        pieces.append(np.zeros(samples(uniform(rng, 0.03, 0.1))))
    return normalised(np.concatenate(pieces))


def _wail(rng: np.random.Generator, pitch_hz: float, size: float) -> Floats:
    """One cry: the pitch leaps up and falls off, the mouth opens after the first tenth of a second."""
    seconds = uniform(rng, 0.64, 1.06)
    count = samples(seconds)
    arc = breakpoints(
        count, (0, 0.74), (0.1 * seconds, 1.0), (0.35 * seconds, 0.73), (0.75 * seconds, 1.0), (seconds, 0.51)
    )
    vibrato = 0.023 * np.sin(2 * np.pi * uniform(rng, 5, 8) * times(count))
    vibrato += 0.011 * wander(rng, count, 25) + 0.002 * wander(rng, count, 150)
    pitch = pitch_hz * arc * (1 + vibrato)
    tract = _tract((size * 1_125, size * 3_370, size * 3_110, size * 7_830), width=0.95)
    nose = resonant((500 * size, 250, 0.8))
    opening = breakpoints(count, (0, 0.0), (0.08, 1.0), (seconds, 0.8))

    def gain(hz: Floats, at: Floats) -> Floats:
        openness = np.interp(at, times(count)[::CONTROL_HOP], opening[::CONTROL_HOP])
        return (openness * tract(hz) + (1 - openness) * nose(hz)) * (600 / hz) ** 0.67

    voiced = harmonics(pitch, gain, 11_000)
    voiced /= float(np.max(np.abs(voiced)))
    rough = 1 + 0.1 * wander(rng, count, 70)
    subharmonic = 1 + 0.047 * np.sin(np.pi * np.cumsum(pitch) / RATE_HZ)
    air = noise(rng, count, tract, tilt(2)) * 0.02
    loud = breakpoints(count, (0, 0), (0.06, 0.7), (0.3 * seconds, 1), (0.8 * seconds, 0.8), (seconds, 0))
    return (voiced * rough * subharmonic + air) * loud


def _breath(rng: np.random.Generator, size: float) -> Floats:
    seconds = uniform(rng, 0.15, 0.25)
    count = samples(seconds)
    air = noise(rng, count, _tract((1_400 * size, 3_500 * size, 5_600 * size), width=4), band(700, 9_000))
    return air * breakpoints(count, (0, 0), (0.6 * seconds, 0.12), (seconds, 0))


def babble(rng: np.random.Generator, seconds: float, talkers: int = 8) -> Samples:
    """Many people talk in the next room: syllables without words, heard through the wall."""
    count = samples(seconds)
    voices = np.zeros(count)
    for _ in range(talkers):
        voices += _talker(rng, count) * uniform(rng, 0.4, 1.0)
    heard = through_a_wall(rng, voices, reverberation_s=0.75, highest_hz=1_500)
    return normalised(heard * breakpoints(count, (0, 0), (0.5, 1), (seconds - 0.5, 1), (seconds, 0)))


def _talker(rng: np.random.Generator, count: int) -> Floats:
    """One voice: phrases of syllables, the pitch falling through each phrase, hiss between syllables."""
    deep = rng.random() < 0.5
    size = 1.0 if deep else 1.16
    score = _syllables(rng, count, size)

    def gain(hz: Floats, _at: Floats) -> Floats:
        formants = score.formants_hz[: len(hz)]
        peaks = [
            weight / np.sqrt(1 + ((hz - formants[:, index]) / (45 + 25 * index)) ** 2)
            for index, weight in enumerate((1.0, 0.5, 0.25))
        ]
        return np.asarray(sum(peaks) * score.loudness[: len(hz)] * (200 / hz))

    index, control = np.arange(count), np.arange(len(score.pitch)) * CONTROL_HOP
    pitch = geometric(rng, 85, 125) if deep else geometric(rng, 170, 230)
    jitter = 0.02 * wander(rng, count, 60) + 0.03 * wander(rng, count, 3)
    voiced = harmonics(
        np.maximum(pitch * np.interp(index, control, score.pitch) * (1 + jitter), 60), gain, 3_500
    )
    voiced /= max(float(np.max(np.abs(voiced))), 1e-9)
    breath = noise(rng, count, band(300, 3_000, 1)) * np.interp(index, control, score.loudness) * 0.025
    hiss = noise(rng, count, band(2_000, 6_000)) * np.interp(index, control, score.hiss) * 0.08
    return voiced * (1 + 0.1 * wander(rng, count, 60)) + breath + hiss


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Score:
    """What a talker does at each control point."""

    loudness: Floats
    hiss: Floats
    pitch: Floats
    """As a multiple of the talker's own."""
    formants_hz: Floats
    """[points, 3]"""


def _syllables(rng: np.random.Generator, count: int, size: float) -> _Score:
    points = count // CONTROL_HOP + 2
    loudness, hiss, pitch = np.zeros(points), np.zeros(points), np.ones(points)
    formants = np.full((points, 3), 500.0)
    vowel = np.array(VOWELS_HZ[0], dtype=np.float64)
    at, height = int(rng.integers(0, 60)), 1.15
    while at < points:
        length = int(rng.integers(24, 52))
        target = size * np.array(VOWELS_HZ[int(rng.integers(5))]) * rng.uniform(0.9, 1.1, 3)
        stretch = slice(at, min(at + length, points))
        part = np.linspace(0, 1, length)[: stretch.stop - at]
        formants[stretch] = vowel + np.minimum(part * 3, 1)[:, None] * (target - vowel)
        loudness[stretch] = np.minimum(np.minimum(part / 0.15, 1), (1 - part) / 0.35) * uniform(rng, 0.3, 1)
        pitch[stretch] = height * (1 + 0.08 * np.sin(np.pi * part) * uniform(rng, -1, 1.5))
        vowel, height = target, max(height * 0.97, 0.85)
        pause = int(rng.integers(4, 16))
        hiss[stretch.stop : stretch.stop + pause] = uniform(rng, 0, 1)
        at += length + pause
        if rng.random() < 0.18:
            at, height = at + int(rng.integers(50, 130)), 1.15
    return _Score(loudness=loudness, hiss=hiss, pitch=pitch, formants_hz=formants)
