"""Sounds by how the world makes them: voices, friction, liquids, blasts, rotors, insects, rustling, air.

Families of Gaver's map of everyday sounds (What in the world do we hear?, Ecological Psychology 5, 1993),
each with its parameters drawn as widely as physics allows. None is meant to be any one thing: what they are
like, the teachers say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from training.recordings import TRAINING_RATE_HZ

Audio = NDArray[np.float32]
RESPONSE_SAMPLES = TRAINING_RATE_HZ // 2
NYQUIST_HZ = TRAINING_RATE_HZ / 2


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Draw so that every octave is as likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def wandering(rng: Generator, samples: int, points: int) -> NDArray[np.float64]:
    """Return a smooth random line [samples] of unit spread through about `points` random heights."""
    heights = rng.standard_normal(points + 1)
    return np.interp(np.linspace(0, points, samples), np.arange(points + 1), heights)


def band_noise(rng: Generator, samples: int, centre_hz: float, octaves: float) -> NDArray[np.float64]:
    """Return noise of unit peak around a frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / TRAINING_RATE_HZ)
    spectrum *= np.exp(-0.5 * (np.log2((hz + 20) / centre_hz) / octaves) ** 2)
    noise = np.fft.irfft(spectrum, samples)
    return np.asarray(noise / (np.abs(noise).max() + 1e-9))


def resonances(rng: Generator, low_hz: float, high_hz: float, *, longest_s: float) -> NDArray[np.float64]:
    """Return the impulse response of a body with a few modes."""
    t = np.arange(RESPONSE_SAMPLES) / TRAINING_RATE_HZ
    body = np.zeros(RESPONSE_SAMPLES)
    for _ in range(int(rng.integers(1, 9))):
        decay_s = log_uniform(rng, 0.001, longest_s)
        body += (
            rng.uniform(0.1, 1.0)
            * np.sin(2 * np.pi * log_uniform(rng, low_hz, high_hz) * t)
            * np.exp(-t / decay_s)
        )
    return body


def pulses(rng: Generator, samples: int, rate_hz: NDArray[np.float64], jitter: float) -> NDArray[np.float64]:
    """Return a train of pulses [samples] whose rate [samples] wanders; `jitter` is a share of the period."""
    phase = np.cumsum(rate_hz / TRAINING_RATE_HZ) + rng.uniform()
    at = np.flatnonzero(np.diff(np.floor(phase)) > 0)
    period = TRAINING_RATE_HZ / np.maximum(rate_hz[at], 1e-3)
    moved = (at + rng.standard_normal(at.size) * jitter * period).astype(int).clip(0, samples - 1)
    train = np.zeros(samples)
    np.add.at(train, moved, rng.uniform(1 - min(1.0, 3 * jitter), 1, moved.size))
    return train


def voice(rng: Generator, samples: int) -> NDArray[np.float64]:
    """A throat of any size: pulses of wandering pitch, roughness and breath through a few formants."""
    pitch_hz = log_uniform(rng, 50, 1_800)
    contour = pitch_hz * 2 ** (
        rng.uniform(0.0, 0.6) * wandering(rng, samples, int(rng.integers(1, 12)))
        + rng.uniform(0, 0.03) * np.sin(np.arange(samples) / TRAINING_RATE_HZ * rng.uniform(20, 60))
    )
    source = pulses(rng, samples, contour.clip(30, 4_000), rng.choice([0.0, 0.01, 0.05, 0.2]))
    breath = rng.standard_normal(samples) * log_uniform(rng, 0.001, 0.3) * (source.std() + 1e-6)
    throat = resonances(rng, 1.2 * pitch_hz, min(12 * pitch_hz + 2_000, 10_000), longest_s=0.02)
    return np.asarray(fftconvolve(source + breath, throat)[:samples] * _calls(rng, samples))


def friction(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Stick and slip: irregular pulses, slow creak to squeal, ring a body."""
    rate_hz = log_uniform(rng, 4, 900) * 2 ** (
        rng.uniform(0.1, 1.2) * wandering(rng, samples, int(rng.integers(2, 20)))
    )
    body = resonances(rng, 150, 6_000, longest_s=0.06)
    return np.asarray(
        fftconvolve(pulses(rng, samples, rate_hz.clip(1, 4_000), rng.uniform(0, 0.3)), body)[:samples]
        * _calls(rng, samples)
    )


def liquid(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Bubbles: short sines that rise as they reach the surface, few or very many, over a little hiss."""
    out = band_noise(rng, samples, log_uniform(rng, 500, 8_000), 1.5) * log_uniform(rng, 1e-4, 0.3)
    low_hz = log_uniform(rng, 150, 2_000)
    for _ in range(int(log_uniform(rng, 3, 250))):
        start = int(rng.integers(samples))
        hz = log_uniform(rng, low_hz, low_hz * 6)
        t = np.arange(min(samples - start, int(0.25 * TRAINING_RATE_HZ))) / TRAINING_RATE_HZ
        decay = 0.13 * hz + 0.0072 * hz**1.5  # van den Doel, Physically based models for liquid sounds, 2005
        rising_hz = hz * (1 + rng.uniform(0, 0.2) * decay * t)
        out[start : start + t.size] += (
            rng.uniform() ** 3
            * np.exp(-decay * t)
            * np.sin(2 * np.pi * np.cumsum(rising_hz) / TRAINING_RATE_HZ)
        )
    return np.asarray(out)


def blast(rng: Generator, samples: int) -> NDArray[np.float64]:
    """A bang with its dark tail, or several, and crackles after it."""
    out = np.zeros(samples)
    t = np.arange(samples) / TRAINING_RATE_HZ
    for _ in range(int(rng.integers(1, 5))):
        start = int(rng.integers(samples * 3 // 4))
        tail = np.exp(-t / log_uniform(rng, 0.01, 0.8))[: samples - start]
        out[start:] += (
            band_noise(rng, samples - start, log_uniform(rng, 40, 3_000), rng.uniform(0.7, 2.5)) * tail
        )
    crackle = pulses(rng, samples, np.full(samples, log_uniform(rng, 2, 120)), 1.0)
    body = resonances(rng, 500, 9_000, longest_s=0.01)
    return np.asarray(out + fftconvolve(crackle, body)[:samples] * rng.choice([0.0, 0.1, 0.4]))


def rotor(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Something turns: bursts of noise and a hum at a steady rate, from a slow fan to a motor."""
    rate_hz = log_uniform(rng, 2, 220) * 2 ** (rng.uniform(0, 0.3) * wandering(rng, samples, 4))
    train = pulses(rng, samples, rate_hz, rng.uniform(0, 0.05))
    length = max(8, int(rng.uniform(0.05, 0.9) / rate_hz.mean() * TRAINING_RATE_HZ))
    swell = fftconvolve(train, np.hanning(length))[:samples]
    noise = band_noise(rng, samples, log_uniform(rng, 60, 6_000), rng.uniform(0.4, 2.0))
    hum = fftconvolve(train, resonances(rng, 60, 4_000, longest_s=0.03))[:samples]
    return np.asarray(
        noise * (swell + rng.uniform(0, 0.4)) + hum / (np.abs(hum).max() + 1e-9) * rng.uniform(0, 1)
    )


def stridulation(rng: Generator, samples: int) -> NDArray[np.float64]:
    """A file over a scraper: a narrow high band, in pulses, in chirps."""
    carrier_hz = log_uniform(rng, 1_500, 9_000)
    t = np.arange(samples) / TRAINING_RATE_HZ
    tone = np.sin(2 * np.pi * carrier_hz * t + rng.uniform(0, 3) * wandering(rng, samples, 200))
    voiced = tone if rng.random() < 0.6 else band_noise(rng, samples, carrier_hz, rng.uniform(0.05, 0.5))
    gate = pulses(rng, samples, np.full(samples, log_uniform(rng, 8, 120)), rng.uniform(0, 0.15))
    tooth = np.hanning(max(8, int(log_uniform(rng, 0.002, 0.05) * TRAINING_RATE_HZ)))
    return np.asarray(voiced * fftconvolve(gate, tooth)[:samples].clip(0, 1) * _calls(rng, samples))


def rustling(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Many small contacts: steps, paper, leaves, gravel, hands."""
    density = log_uniform(rng, 20, 4_000) * np.exp(rng.uniform(0, 1.5) * wandering(rng, samples, 30))
    grains = pulses(rng, samples, density.clip(1, 8_000), 1.0)
    body = resonances(rng, 300, 9_000, longest_s=0.004)
    strokes = _calls(rng, samples) if rng.random() < 0.7 else 1.0
    return np.asarray(fftconvolve(grains, body)[:samples] * strokes)


def air(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Noise in bands that swell each at its own pace: wind, jets, steam, crowds of anything."""
    out = np.zeros(samples)
    for _ in range(int(rng.integers(1, 9))):
        band = band_noise(rng, samples, log_uniform(rng, 60, 10_000), rng.uniform(0.1, 1.5))
        pace = int(log_uniform(rng, 1, 150))
        out += band * np.exp(rng.uniform(0, 1.5) * wandering(rng, samples, pace)) * rng.uniform(0.05, 1)
    return out


def buzz(rng: Generator, samples: int) -> NDArray[np.float64]:
    """A reed, a wing, a transformer: many harmonics of a pitch that flutters."""
    pitch_hz = log_uniform(rng, 40, 700) * 2 ** (rng.uniform(0, 0.5) * wandering(rng, samples, 12))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / TRAINING_RATE_HZ
    wave = np.tanh(rng.uniform(0.5, 12) * (np.sin(phase) + rng.uniform(-0.7, 0.7)))
    flutter = 1 + rng.uniform(0, 1) * np.sin(phase / rng.uniform(2, 40))
    return np.asarray(fftconvolve(wave * flutter, resonances(rng, 100, 8_000, longest_s=0.003))[:samples])


def _calls(rng: Generator, samples: int) -> NDArray[np.float64]:
    """Return an envelope: one or more calls of a length and pause, each with its own attack and release."""
    length = int(log_uniform(rng, 0.04, 1.5) * TRAINING_RATE_HZ)
    pause = int(log_uniform(rng, 0.02, 1.0) * TRAINING_RATE_HZ)
    attack, release = (max(8, int(length * rng.uniform(0.02, 0.6))) for _ in range(2))
    ramp = np.minimum(np.arange(length) / attack, np.arange(length)[::-1] / release).clip(0, 1)
    envelope = np.zeros(samples)
    start = int(rng.integers(samples // 3))
    for _ in range(int(rng.integers(1, 20))):
        piece = ramp[: max(0, samples - start)]
        envelope[start : start + piece.size] = piece * rng.uniform(0.4, 1.0)
        start += length + int(pause * rng.uniform(0.7, 1.3))
    return envelope


FAMILIES: tuple[Callable[[Generator, int], NDArray[np.float64]], ...] = (
    voice,
    friction,
    liquid,
    blast,
    rotor,
    stridulation,
    rustling,
    air,
    buzz,
)


def produced(rng: Generator, samples: int) -> Audio:
    """Return a sound [samples] of some family, peak 0.5 at most."""
    family = FAMILIES[int(rng.integers(len(FAMILIES)))]
    sound = family(rng, samples)
    if rng.random() < 0.3:
        sound = fftconvolve(sound, resonances(rng, 80, 8_000, longest_s=0.15))[:samples]
    if rng.random() < 0.3:
        sound = np.tanh(sound / (np.abs(sound).max() + 1e-9) * log_uniform(rng, 1, 20))
    return np.asarray(sound / (np.abs(sound).max() + 1e-6) * 0.5, np.float32)
