"""The few tools that every synthesis here is made of: noise, resonances, harmonics, envelopes, spectra."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detectors.types import Samples

RATE_HZ = 48_000
"""The demonstration's only sample rate."""

CONTROL_HOP = 240
"""Samples between two points of a slowly moving envelope: 5 ms."""

Floats = NDArray[np.float64]
Envelope = Callable[[Floats], Floats]
"""A gain for each frequency in Hz."""


def samples(seconds: float) -> int:
    """Return how many samples last that long."""
    return round(seconds * RATE_HZ)


def times(count: int) -> Floats:
    """Return the time of each of `count` samples in seconds."""
    return np.arange(count) / RATE_HZ


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly between two numbers."""
    return float(rng.uniform(low, high))


def geometric(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw evenly between two numbers on a logarithmic scale, as ears count frequencies and times."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def normalised(signal: Floats) -> Samples:
    """Return the signal with its peak at 1."""
    peak = float(np.max(np.abs(signal), initial=0.0))
    return np.asarray(signal / peak if peak > 0 else signal, dtype=np.float32)


def add_at(target: Floats, sound: Floats | Samples, start: int, gain: float = 1.0) -> None:
    """Mix `sound` into `target` in place from sample `start` on, as far as it fits."""
    end = min(len(target), start + len(sound))
    if end > start:
        target[start:end] += gain * sound[: end - start]


def breakpoints(count: int, *points: tuple[float, float]) -> Floats:
    """Return `count` samples of straight lines through (seconds, value) points."""
    at, values = np.array(points).T
    return np.asarray(np.interp(times(count), at, values))


def shaped(signal: Floats, gain: Envelope) -> Floats:
    """Return the signal with its spectrum multiplied by `gain`, phases untouched."""
    size = 1 << (len(signal) + samples(0.05)).bit_length()
    spectrum = np.fft.rfft(signal, size) * gain(np.asarray(np.fft.rfftfreq(size, 1 / RATE_HZ)))
    return np.asarray(np.fft.irfft(spectrum, size)[: len(signal)])


def band(low_hz: float, high_hz: float, order: float = 2.0) -> Envelope:
    """Return a band-pass with slopes of 6 dB an octave times `order`."""

    def gain(hz: Floats) -> Floats:
        ratio = np.maximum(hz, 1e-3)
        return 1 / np.sqrt((1 + (low_hz / ratio) ** (2 * order)) * (1 + (ratio / high_hz) ** (2 * order)))

    return gain


def tilt(db_per_octave: float, pivot_hz: float = 1_000.0) -> Envelope:
    """Return a spectrum that falls or rises evenly, 1 at the pivot."""
    power = db_per_octave / 20 / np.log10(2)

    def gain(hz: Floats) -> Floats:
        return np.asarray((np.maximum(hz, 20.0) / pivot_hz) ** power)

    return gain


def resonant(*peaks: tuple[float, float, float]) -> Envelope:
    """Return the sum of second-order resonances, each (frequency, bandwidth, gain at the peak)."""

    def gain(hz: Floats) -> Floats:
        total = np.zeros_like(hz)
        for frequency, bandwidth, height in peaks:
            total += height / np.sqrt(1 + ((hz - frequency) / (bandwidth / 2)) ** 2)
        return total

    return gain


def noise(rng: np.random.Generator, count: int, *gains: Envelope) -> Floats:
    """Return noise of that colour (white without any gain), at a root mean square of 1."""
    size = 1 << max(count - 1, 1).bit_length()
    hz = np.asarray(np.fft.rfftfreq(size, 1 / RATE_HZ))
    spectrum = rng.standard_normal(len(hz)) + 1j * rng.standard_normal(len(hz))
    for gain in gains:
        spectrum *= gain(hz)
    signal = np.fft.irfft(spectrum, size)[:count]
    return np.asarray(signal / max(float(np.sqrt(np.mean(signal**2))), 1e-9))


def modes(count: int, frequencies_hz: Floats, decays_s: Floats, gains: Floats) -> Floats:
    """Return a struck body: decaying partials, each with the time in which it falls by 60 dB."""
    # A decaying sinusoid is the powers of one complex number: two short tables and their products
    # are many times faster than a sine for each sample.
    table = 256
    blocks = -(-count // table)
    total = np.zeros((blocks, table))
    for frequency_hz, decay_s, gain in zip(frequencies_hz, decays_s, gains, strict=True):
        exponent = (-6.908 / decay_s + 2j * np.pi * frequency_hz) / RATE_HZ
        fine = gain * np.exp(exponent * np.arange(table))
        total += np.outer(np.exp(exponent * table * np.arange(blocks)), fine).imag
    return total.ravel()[:count]


def harmonics(pitch_hz: Floats, gain: Callable[[Floats, Floats], Floats], highest_hz: float) -> Floats:
    """Return a pitched tone whose harmonic k sounds at `gain(frequencies, seconds)`.

    Args:
        pitch_hz: the fundamental at each sample.
        gain: amplitude for frequencies at control points, both arguments of the same shape.
        highest_hz: harmonics stop here.
    """
    count = len(pitch_hz)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    control = np.arange(0, count + CONTROL_HOP, CONTROL_HOP)
    control_pitch = pitch_hz[np.minimum(control, count - 1)]
    total = np.zeros(count)
    index = np.arange(count)
    turn = np.exp(1j * phase)
    harmonic = np.ones(count, dtype=np.complex128)
    for order in range(1, int(highest_hz / float(np.min(pitch_hz))) + 1):
        harmonic *= turn
        frequency = order * control_pitch
        amplitude = np.where(frequency < highest_hz, gain(frequency, control / RATE_HZ), 0.0)
        if np.any(amplitude > 1e-5):
            total += np.interp(index, control, amplitude) * harmonic.imag
    return total


def wander(rng: np.random.Generator, count: int, rate_hz: float) -> Floats:
    """Return a slow random movement, at a root mean square of 1, no faster than `rate_hz`."""
    points = max(4, int(count / RATE_HZ * rate_hz * 2) + 4)
    at = np.linspace(0, count, points)
    return np.interp(np.arange(count), at, rng.standard_normal(points))


def convolved(signal: Floats, response: Floats) -> Floats:
    """Return the linear convolution, as long as both together."""
    length = len(signal) + len(response) - 1
    size = 1 << (length - 1).bit_length()
    return np.asarray(np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[:length])
