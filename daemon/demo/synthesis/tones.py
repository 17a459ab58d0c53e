"""Things that sound a tone: a smoke alarm, a siren, a doorbell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daemon.demo.synthesis.signal import (
    RATE_HZ,
    Floats,
    add_at,
    band,
    breakpoints,
    convolved,
    geometric,
    harmonics,
    modes,
    noise,
    normalised,
    resonant,
    samples,
    tilt,
    times,
    uniform,
    wander,
)
from detectors.types import Samples


def smoke_alarm(rng: np.random.Generator, cycles: int = 2) -> Samples:
    """The temporal-three signal of ISO 8201: three half-second tones, half a second apart, then a pause."""
    pitch_hz = uniform(rng, 2_860, 3_180)
    on = samples(0.5)
    out = np.zeros(samples(4.0 * cycles - 1.5 + 0.2))
    for cycle in range(cycles):
        for beep in range(3):
            add_at(out, _piezo(rng, on, pitch_hz), samples(4.0 * cycle + beep))
    return normalised(out)


def _piezo(rng: np.random.Generator, count: int, pitch_hz: float) -> Floats:
    """One tone of a piezo disc on a square wave: odd harmonics, the chamber favours the third."""
    at = times(count)
    pitch = pitch_hz * (1 + 0.0001 * wander(rng, count, 30)) * (1 + 0.003 * np.exp(-at / 0.02))
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    partials = ((1, 1.0), (2, 0.015), (3, uniform(rng, 1.0, 1.3)), (4, 0.017), (5, 0.086))
    tone = sum(gain * np.sin(order * phase) for order, gain in partials)
    hiss = noise(rng, count, band(2_000, 9_000)) * 0.001
    envelope = np.minimum(at / 0.03, 1.0) * np.minimum((at[-1] - at) / 0.01, 1.0)
    return np.asarray((tone + hiss) * envelope * (1 + 0.01 * wander(rng, count, 60)))


def siren(rng: np.random.Generator) -> Samples:
    """An emergency vehicle: an electronic wail through a horn, its echo from the houses, a little traffic."""
    seconds = uniform(rng, 5.2, 6.2)
    count = samples(seconds)
    period_s = uniform(rng, 3.1, 4.8)
    low_hz, high_hz = uniform(rng, 420, 530), uniform(rng, 1_290, 1_510)
    phase = (times(count) / period_s + uniform(rng, 0, 0.3)) % 1.0
    rise = np.where(phase < 0.42, phase / 0.42, (1 - phase) / 0.58)
    doppler = breakpoints(count, (0, 1.015), (seconds, 0.985))
    pitch = low_hz * (high_hz / low_hz) ** (0.5 - 0.5 * np.cos(np.pi * rise)) * doppler
    horn = resonant((985, 770, 1.0), (1_240, 880, 0.26), (2_520, 1_300, 0.33))
    tone = harmonics(pitch, lambda hz, _: (horn(hz) + 0.02) * (700 / hz) ** 1.8, 9_000)
    tone = np.tanh(tone / np.max(np.abs(tone)))
    tone *= breakpoints(count, (0, 0), (0.3, 0.55), (seconds * 0.5, 1), (seconds - 0.8, 0.7), (seconds, 0))
    heard = convolved(tone * (1 + 0.1 * wander(rng, count, 3)), _echo(rng, 3.5, 0.38))[:count]
    traffic = noise(rng, count, tilt(-4, 300), band(50, 4_000, 1)) * 0.0046
    fade = breakpoints(count, (0, 0), (0.1, 1), (seconds - 0.2, 1), (seconds, 0))
    return normalised((heard + traffic) * fade)


def _echo(rng: np.random.Generator, seconds: float, level: float) -> Floats:
    """A street: the direct sound and a tail of that much energy, as an amplitude."""
    count = samples(seconds)
    tail = noise(rng, count, band(300, 4_000, 1)) * np.exp(-6.908 * times(count) / seconds)
    tail *= level / float(np.sqrt(np.sum(tail**2)))
    tail[0] = 1.0
    return tail


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
    base_hz = geometric(rng, 400, 520)
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
        decays = bell.decay_s * np.array([1.0, 0.3, 0.15, 0.9])
        gains = np.array([1.0, 0.25, 0.08, 0.35]) * rng.uniform(0.85, 1.15, 4)
        bar = modes(count, note_hz * ratios, decays, gains)
        mallet = noise(rng, count, band(600, 5_000, 1)) * np.exp(-times(count) / 0.004) * 0.12
        add_at(out, bar + mallet, start, uniform(rng, 0.85, 1.0))
    fade = samples(0.1)
    out[-fade:] *= np.linspace(1, 0, fade)
    return normalised(out)
