"""Things that sound a tone: a smoke alarm, a siren, a doorbell, a car's horn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.demo.synthesis.signal import (
    RATE_HZ,
    Floats,
    add_at,
    band,
    breakpoints,
    geometric,
    harmonics,
    modes,
    noise,
    normalised,
    resonant,
    samples,
    shaped,
    times,
    uniform,
    wander,
)
from detectors.types import Samples


def smoke_alarm(rng: np.random.Generator, cycles: int = 2) -> Samples:
    """The temporal-three signal of ISO 8201: three half-second tones, half a second apart, then a pause."""
    pitch_hz = uniform(rng, 2_950, 3_300)
    on = samples(0.5)
    out = np.zeros(samples(4.0 * cycles - 1.5 + 0.2))
    for cycle in range(cycles):
        for beep in range(3):
            add_at(out, _piezo(rng, on, pitch_hz), samples(4.0 * cycle + beep))
    return normalised(out)


def _piezo(rng: np.random.Generator, count: int, pitch_hz: float) -> Floats:
    """One tone of a piezo disc in its chamber: it speaks at once, with strong upper harmonics."""
    pitch = pitch_hz * (1 + 0.0008 * wander(rng, count, 30))
    at = times(count)
    tone = sum(
        gain * np.sin(2 * np.pi * order * np.cumsum(pitch) / RATE_HZ)
        for order, gain in ((1, 1.0), (2, 0.22), (3, 0.3), (4, 0.08), (5, 0.1))
    )
    envelope = np.minimum(at / 0.006, 1.0) * np.minimum((at[-1] - at) / 0.01, 1.0)
    return np.asarray(tone * envelope * (1 + 0.03 * wander(rng, count, 60)))


def siren(rng: np.random.Generator) -> Samples:
    """An emergency vehicle: an electronic wail through a horn, near enough to be understood, passing on."""
    seconds = uniform(rng, 5.2, 6.2)
    count = samples(seconds)
    at = times(count)
    period_s = uniform(rng, 2.6, 4.2)
    low_hz, high_hz = uniform(rng, 520, 680), uniform(rng, 1_250, 1_550)
    phase = (at / period_s + uniform(rng, 0, 0.3)) % 1.0
    rise = np.where(phase < 0.42, phase / 0.42, (1 - phase) / 0.58)
    swing = 0.5 - 0.5 * np.cos(np.pi * rise)
    doppler = breakpoints(count, (0, 1.015), (seconds, 0.985))
    pitch = low_hz * (high_hz / low_hz) ** swing * doppler
    horn = resonant((950, 900, 1.0), (2_100, 1_400, 0.7), (3_400, 1_500, 0.35))
    tone = harmonics(pitch, lambda hz, _: horn(hz) * (700 / hz) ** 0.7, 9_000)
    swell = breakpoints(
        count, (0, 0.0), (0.4, 0.5), (seconds * 0.5, 1.0), (seconds - 0.8, 0.6), (seconds, 0.0)
    )
    return normalised(tone * swell * (1 + 0.1 * wander(rng, count, 3)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorbell:
    """One particular doorbell: the bars that it strikes, from the first to the last."""

    notes_hz: tuple[float, ...]
    gap_s: float
    overtone: float
    """Where the second partial stands, as a multiple of the first."""
    decay_s: float


def draw_doorbell(rng: np.random.Generator) -> Doorbell:
    """Choose a doorbell: two or three notes that go together."""
    steps = ((4, 0), (7, 4, 0), (5, 0), (0, 4, 7))[int(rng.integers(4))]
    base_hz = geometric(rng, 500, 640)
    return Doorbell(
        notes_hz=tuple(base_hz * 2 ** (step / 12) for step in steps),
        gap_s=uniform(rng, 0.4, 0.6),
        overtone=uniform(rng, 2.74, 2.84),
        decay_s=uniform(rng, 2.0, 2.8),
    )


def ring_doorbell(rng: np.random.Generator, bell: Doorbell) -> Samples:
    """Press the button of that doorbell once: no two strokes are quite alike."""
    last_s = bell.gap_s * (len(bell.notes_hz) - 1)
    out = np.zeros(samples(last_s + bell.decay_s))
    for index, note_hz in enumerate(bell.notes_hz):
        start = samples(index * bell.gap_s * uniform(rng, 0.98, 1.02))
        count = len(out) - start
        ratios = np.array([1.0, bell.overtone, bell.overtone * 1.96, 1.004])
        decays = bell.decay_s * np.array([1.0, 0.6, 0.24, 0.9])
        gains = np.array([1.0, 0.4, 0.08, 0.35]) * rng.uniform(0.85, 1.15, 4)
        bar = modes(count, note_hz * ratios, decays, gains)
        mallet = noise(rng, count, band(600, 5_000, 1)) * np.exp(-times(count) / 0.004) * 0.12
        add_at(out, bar + mallet, start, uniform(rng, 0.85, 1.0))
    fade = samples(0.1)
    out[-fade:] *= np.linspace(1, 0, fade)
    return normalised(out)


def car_horn(rng: np.random.Generator) -> Samples:
    """Two trumpets a third apart, held for a while."""
    seconds = uniform(rng, 0.7, 1.3)
    count = samples(seconds)
    low_hz = uniform(rng, 390, 430)
    bell = resonant((1_100, 1_200, 1.0), (2_400, 1_500, 0.9), (4_000, 2_500, 0.5))
    out = np.zeros(count)
    for ratio in (1.0, uniform(rng, 1.22, 1.27)):
        pitch = low_hz * ratio * (1 + 0.002 * wander(rng, count, 8))
        out += harmonics(pitch, lambda hz, _: bell(hz) + 0.15, 10_000)
    envelope = breakpoints(count, (0, 0), (0.02, 1), (seconds - 0.03, 1), (seconds, 0))
    return normalised(shaped(out * envelope, band(300, 9_000)))
