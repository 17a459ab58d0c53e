"""What happens to a sound between its source and a microphone's file: rooms, colour, noise, level, clipping.

The teacher never hears any of it, so the student learns to hear through it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ

Audio = NDArray[np.float32]
COLOUR_POINTS = 500
ROOM_SAMPLES = DETECTION_RATE_HZ // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """How often each thing happens."""

    room: float = 0.4
    colour: float = 0.6
    narrow_band: float = 0.12
    steady_noise: float = 0.35
    other_sound: float = 0.35
    clipping: float = 0.05


def simulate_rooms(count: int, seed: int) -> Audio:
    """Simulate shoebox rooms by the image method: float32 [count, ROOM_SAMPLES], direct path first."""
    import pyroomacoustics

    rng = np.random.default_rng(seed)
    responses = np.zeros((count, ROOM_SAMPLES), np.float32)
    for response in responses:
        size = rng.uniform([1.6, 1.4, 1.2], [9.0, 7.0, 3.5])
        rt60_s = float(rng.uniform(0.08, 0.8))
        try:
            absorption, order = pyroomacoustics.inverse_sabine(rt60_s, size)
        except ValueError:  # a room this large cannot be this dry
            absorption, order = 0.6, 8
        room = pyroomacoustics.ShoeBox(
            size,
            fs=DETECTION_RATE_HZ,
            materials=pyroomacoustics.Material(absorption),
            max_order=min(order, 14),
        )
        room.add_source(rng.uniform(0.1, 0.9, 3) * size)
        room.add_microphone(rng.uniform(0.1, 0.9, 3) * size)
        room.compute_rir()
        heard = room.rir[0][0].astype(np.float32)
        heard = heard[int(np.argmax(np.abs(heard) > 0.3 * np.abs(heard).max())) :][:ROOM_SAMPLES]
        response[: heard.size] = heard / np.sqrt(np.sum(heard**2))
    return responses


def rooms_at(path: Path, count: int = 240, seed: int = 7) -> Audio:
    """Read the rooms from `path`, or simulate them once and keep them there."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, simulate_rooms(count, seed))
    rooms: Audio = np.load(path)
    return rooms


def colour(rng: Generator, bins: int, rate_hz: int, *, narrow_band: float = 0.0) -> Audio:
    """Draw a microphone as gain over `bins` from 0 Hz up: bumps, tilt, sometimes a telephone's bandwidth."""
    hz = np.linspace(0, rate_hz / 2, COLOUR_POINTS)
    octaves = np.log2(np.maximum(hz, 30) / 1_000)
    gain_db = rng.normal(0, 1.5) * octaves
    for _ in range(3):
        gain_db = gain_db + rng.normal(0, 4) * np.exp(
            -0.5 * ((octaves - rng.uniform(-4, 3)) / rng.uniform(0.3, 1.5)) ** 2
        )
    if rng.random() < narrow_band:
        high_hz = rng.uniform(3_000, 7_000)
        gain_db = gain_db - 24 * np.maximum(0, np.log2(np.maximum(hz, 1) / high_hz)) * 3
    if rng.random() < 0.3:
        low_hz = rng.uniform(80, 400)
        gain_db = gain_db - 12 * np.maximum(0, np.log2(low_hz / np.maximum(hz, 10)))
    gain = 10 ** (np.clip(gain_db, -60, 20) / 20)
    return np.interp(np.linspace(0, rate_hz / 2, bins), hz, gain).astype(np.float32)


def steady_noise(rng: Generator, samples: int) -> Audio:
    """Noise of unit power whose spectrum falls or rises at random, from rumble to hiss."""
    spectrum = np.fft.rfft(rng.standard_normal(samples).astype(np.float32))
    hz = np.fft.rfftfreq(samples, 1 / DETECTION_RATE_HZ)
    spectrum *= np.maximum(hz, 20) ** (-rng.uniform(-0.3, 1.2))
    noise = np.fft.irfft(spectrum, samples).astype(np.float32)
    return np.asarray(noise / np.sqrt(np.mean(noise**2) + 1e-12), np.float32)


def coloured(rng: Generator, x: Audio, rate_hz: int) -> Audio:
    """Return `x` [samples] as a random microphone would hear it."""
    spectrum = np.fft.rfft(x)
    return np.fft.irfft(spectrum * colour(rng, spectrum.size, rate_hz), x.size).astype(np.float32)


def loud_power(x: Audio) -> float:
    """Power of the loudest fifth: silence around a sound does not make it quieter."""
    blocks = np.sort((x[: x.size // 160 * 160].reshape(-1, 160) ** 2).mean(1))
    return float(blocks[-blocks.size // 5 :].mean()) + 1e-10


def augment(rng: Generator, crop: Audio, other: Audio, rooms: Audio, chances: Chances) -> Audio:
    """Send `crop` through a random room, microphone and background.

    Args:
        rng: the only source of chance.
        crop: float32 [samples] at DETECTION_RATE_HZ.
        other: another sound of the same length, for the background.
        rooms: impulse responses [count, ROOM_SAMPLES].
        chances: how often each thing happens.

    Returns:
        float32 [samples], anywhere from −60 dBFS to clipped.
    """
    size = crop.size + ROOM_SAMPLES
    spectrum = np.fft.rfft(crop, size)
    if rng.random() < chances.room:
        spectrum *= np.fft.rfft(rooms[int(rng.integers(len(rooms)))], size)
    heard = spectrum
    if rng.random() < chances.other_sound:
        snr_db = rng.uniform(-10, 30)
        gain = np.sqrt(loud_power(crop) / loud_power(other)) * 10 ** (-snr_db / 20)
        heard = heard + np.fft.rfft(other * gain, size)
    if rng.random() < chances.colour:
        heard = heard * colour(rng, heard.size, DETECTION_RATE_HZ, narrow_band=chances.narrow_band)
    out = np.fft.irfft(heard, size)[: crop.size].astype(np.float32)
    if rng.random() < chances.steady_noise:
        snr_db = rng.uniform(-10, 35)
        out = out + steady_noise(rng, crop.size) * np.float32(np.sqrt(loud_power(out)) * 10 ** (-snr_db / 20))
    level_db = rng.uniform(-50, -1) if rng.random() > chances.clipping else rng.uniform(0, 12)
    out = out / (np.abs(out).max() + 1e-9) * 10 ** (level_db / 20)
    out = out + rng.standard_normal(crop.size).astype(np.float32) * np.float32(
        10 ** (rng.uniform(-96, -70) / 20)
    )
    return np.asarray(np.clip(out, -1, 1), np.float32)
