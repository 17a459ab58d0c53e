"""Sounds of our own for profiles that have too few recordings: finger snaps, and the beeps of alarms.

Source and filter, varied widely by a seed. The demo renders its sounds with code of its own and draws nothing
from here, so what it plays has taught no profile.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter

RATE_HZ = 32_000

Audio = NDArray[np.float32]


def finger_snap(rng: Generator) -> Audio:
    """Return a second with one snap: the thumb slides, the finger strikes the palm, the hollow hand rings."""
    out = np.zeros(RATE_HZ)
    strike = int(rng.uniform(0.12, 0.3) * RATE_HZ)
    out[strike:] += _strike(rng, RATE_HZ - strike)
    slide_samples = int(rng.uniform(0.01, 0.05) * RATE_HZ)
    slide = _band(rng, rng.normal(size=slide_samples), rng.uniform(3_000, 9_000), 1.0)
    slide *= np.linspace(0.0, 1.0, slide_samples) ** 2
    out[strike - slide_samples : strike] += slide / (np.abs(slide).max() + 1e-9) * _gain(rng, -40, -18)
    return _finish(rng, in_room(rng, out))


def _strike(rng: Generator, length: int) -> NDArray[np.float64]:
    """The blow, and the two or three resonances of palm and fingers that it sets off."""
    blow_samples = int(rng.uniform(0.0004, 0.003) * RATE_HZ)
    blow = np.zeros(length)
    blow[:blow_samples] = rng.normal(size=blow_samples) * np.hanning(blow_samples)
    # Many snaps are a pair: the finger lands, then the loose fingers slap after it.
    if rng.random() < 0.5:
        second = blow_samples + int(rng.uniform(0.002, 0.012) * RATE_HZ)
        blow[second : second + blow_samples] += (
            rng.normal(size=blow_samples) * np.hanning(blow_samples) * _gain(rng, -14, -2)
        )
    first_hz = np.exp(rng.uniform(np.log(1_000), np.log(3_400)))
    out = _resonance(blow, first_hz, rng.uniform(0.002, 0.012))
    for _ in range(int(rng.integers(1, 4))):
        mode_hz = min(first_hz * rng.uniform(1.3, 4.0), 12_000.0)
        out += _resonance(blow, mode_hz, rng.uniform(0.001, 0.006)) * _gain(rng, -20, -3)
    return out + blow * _gain(rng, -25, -6)


def alarm_beeps(rng: Generator) -> Audio:
    """Return five seconds of a beeping alarm: smoke (T3), carbon monoxide (T4), clock, oven, lorry."""
    pattern = str(rng.choice(["t3", "t4", "groups", "steady", "two_tone"], p=[0.25, 0.15, 0.3, 0.2, 0.1]))
    pitch_hz = np.exp(rng.uniform(np.log(700), np.log(4_200)))
    if pattern == "t3":
        pitch_hz = rng.choice([rng.uniform(2_800, 3_600), rng.uniform(480, 560)], p=[0.85, 0.15])
    out = np.zeros(5 * RATE_HZ)
    voice = _beep(rng)
    for number, (start_s, length_s) in enumerate(_pattern(rng, pattern)):
        start, length = int(start_s * RATE_HZ), int(length_s * RATE_HZ)
        if start >= len(out):
            break
        hz = pitch_hz * (0.8 if pattern == "two_tone" and number % 2 else 1.0)
        beep = voice(hz, length)[: len(out) - start]
        out[start : start + len(beep)] += beep
    return _finish(rng, in_room(rng, out))


def _pattern(rng: Generator, name: str) -> list[tuple[float, float]]:
    """Return the starts and lengths of the beeps, in seconds."""
    on_s, off_s, count, pause_s = {
        "t3": (0.5, 0.5, 3, 1.0),
        "t4": (0.1, 0.1, 4, 4.9),
        "groups": (
            rng.uniform(0.04, 0.15),
            rng.uniform(0.04, 0.15),
            int(rng.integers(2, 6)),
            rng.uniform(0.2, 0.8),
        ),
        "steady": (rng.uniform(0.08, 0.6), rng.uniform(0.08, 0.6), 50, 0.0),
        "two_tone": (rng.uniform(0.15, 0.5), 0.0, 50, 0.0),
    }[name]
    beeps = []
    at_s = rng.uniform(0.0, 0.6)
    while at_s < 5.0:
        for _ in range(count):
            beeps.append((at_s, on_s))
            at_s += on_s + off_s
        at_s += pause_s
    return beeps


def siren(rng: Generator) -> Audio:
    """Return five seconds of a siren somewhere in the street: wailing, yelping or of two tones."""
    low_hz = np.exp(rng.uniform(np.log(350), np.log(800)))
    high_hz = low_hz * rng.uniform(1.2, 3.0)
    turn = _turns(rng, str(rng.choice(["wail", "yelp", "two_tone"])))
    doppler = 1.0 + rng.uniform(-0.04, 0.04) * np.tanh(np.arange(5 * RATE_HZ) / RATE_HZ - rng.uniform(0, 5))
    pitch_hz = low_hz * (high_hz / low_hz) ** turn * doppler
    phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE_HZ
    tilt = rng.uniform(0.6, 2.2)
    wave = np.sin(phase)
    for k in range(2, int(rng.integers(3, 10))):
        wave = wave + rng.uniform(0.3, 1.0) * np.sin(k * phase) / k**tilt * (k * pitch_hz < 0.45 * RATE_HZ)
    # Air and corners take the high end away.
    pole = rng.uniform(0.0, 0.85)
    nearness = np.interp(np.arange(5 * RATE_HZ), [0, 5 * RATE_HZ], 10.0 ** (rng.uniform(-12, 0, 2) / 20.0))
    return _finish(rng, in_room(rng, np.asarray(lfilter([1.0 - pole], [1.0, -pole], wave * nearness))))


def _turns(rng: Generator, kind: str) -> NDArray[np.float64]:
    """Return where between its low and its high tone a siren is, 0 to 1, for five seconds."""
    times = np.arange(5 * RATE_HZ) / RATE_HZ + rng.uniform(0.0, 8.0)
    if kind == "two_tone":
        turn = (times / rng.uniform(0.35, 1.3) % 2.0 < 1.0).astype(np.float64)
        return np.asarray(lfilter([0.01], [1.0, -0.99], turn))
    period_s = rng.uniform(2.0, 8.0) if kind == "wail" else rng.uniform(0.15, 0.6)
    rising = rng.uniform(0.2, 0.7)
    part = times / period_s % 1.0
    return np.where(part < rising, part / rising, (1.0 - part) / (1.0 - rising))


def car_horn(rng: Generator) -> Audio:
    """Return three seconds with one to three blasts of a horn: two discs a third apart, buzzing."""
    out = np.zeros(3 * RATE_HZ)
    low_hz = rng.uniform(280, 480)
    discs_hz = [low_hz] if rng.random() < 0.25 else [low_hz, low_hz * rng.uniform(1.18, 1.32)]
    tilt, peak_hz = rng.uniform(0.0, 0.8), rng.uniform(1_500, 3_500)
    at_s = rng.uniform(0.1, 0.6)
    for _ in range(int(rng.integers(1, 4))):
        length = int(np.exp(rng.uniform(np.log(0.12), np.log(1.6))) * RATE_HZ)
        start = int(at_s * RATE_HZ)
        times = np.arange(min(length, max(0, len(out) - start))) / RATE_HZ
        for hz in discs_hz:
            for k in range(1, int(9_000 / hz)):
                loudness = k**-tilt / (1.0 + (k * hz / peak_hz) ** 3)
                out[start : start + len(times)] += loudness * np.sin(2 * np.pi * k * hz * times + k)
        edge = np.minimum(1.0, np.minimum(times, times[::-1]) / rng.uniform(0.008, 0.04))
        out[start : start + len(times)] *= edge
        at_s += length / RATE_HZ + rng.uniform(0.08, 0.5)
    return _finish(rng, in_room(rng, out))


MAKERS = {"finger_snap": finger_snap, "alarm_beep": alarm_beeps, "siren": siren, "car_horn": car_horn}
"""How the sounds of a profile are made."""


def _beep(rng: Generator) -> Callable[[float, int], NDArray[np.float64]]:
    """Return one buzzer: the shape of its wave, its edges, perhaps a warble, the same for every beep."""
    harmonics = [(k, rng.uniform(0.0, 1.0) / k ** rng.uniform(0.3, 2.5)) for k in range(2, 9)]
    edge_s = rng.uniform(0.001, 0.012)
    warble_hz, warble = rng.uniform(5.0, 40.0), rng.uniform(0.0, 0.01) * (rng.random() < 0.3)
    ring_s = rng.uniform(0.002, 0.02)

    def voice(pitch_hz: float, length: int) -> NDArray[np.float64]:
        times = np.arange(length) / RATE_HZ
        phase = 2 * np.pi * pitch_hz * (times + warble / warble_hz * np.sin(2 * np.pi * warble_hz * times))
        wave = np.sin(phase)
        for number, strength in harmonics:
            if number * pitch_hz < 0.45 * RATE_HZ:
                wave = wave + strength * np.sin(number * phase)
        attack = 1.0 - np.exp(-times / edge_s)
        release = np.minimum(1.0, np.exp((length / RATE_HZ - 3.0 * ring_s - times) / ring_s))
        return np.asarray(wave * attack * release)

    return voice


def in_room(rng: Generator, dry: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sound at some distance in some room: early reflections, a tail that darkens, air."""
    if rng.random() < 0.2:
        return dry
    decay_s = np.exp(rng.uniform(np.log(0.08), np.log(0.8)))
    times = np.arange(int(1.2 * decay_s * RATE_HZ)) / RATE_HZ
    tail = rng.normal(size=len(times)) * 10.0 ** (-3.0 * times / decay_s)
    tail = lfilter([1.0 - (pole := rng.uniform(0.2, 0.8))], [1.0, -pole], tail)
    tail[: int(rng.uniform(0.001, 0.008) * RATE_HZ)] = 0.0
    for _ in range(int(rng.integers(2, 7))):
        tail[int(rng.uniform(0.001, 0.03) * RATE_HZ) % len(tail)] += rng.normal() * 2.0
    response = tail / np.sqrt(np.square(tail).sum() + 1e-12) * _gain(rng, -18, 3)
    response[0] = 1.0
    return np.asarray(fftconvolve(dry, response)[: len(dry)])


def _finish(rng: Generator, sound: NDArray[np.float64]) -> Audio:
    """Bring the sound to some level, over the faint noise of some microphone."""
    peak = np.abs(sound).max() + 1e-9
    noise = lfilter([1.0], [1.0, -rng.uniform(0.0, 0.95)], rng.normal(size=len(sound)))
    noise *= _gain(rng, -75, -45) / (noise.std() + 1e-9)
    return np.asarray(sound / peak * _gain(rng, -22, -1) + noise, dtype=np.float32)


def _resonance(excitation: NDArray[np.float64], hz: float, decay_s: float) -> NDArray[np.float64]:
    """Ring at `hz`, falling to 1/e in `decay_s`; peak of one."""
    radius = np.exp(-1.0 / (decay_s * RATE_HZ))
    poles = [1.0, -2.0 * radius * np.cos(2.0 * np.pi * hz / RATE_HZ), radius**2]
    ringing = lfilter([1.0], poles, excitation)
    return np.asarray(ringing / (np.abs(ringing).max() + 1e-9))


def _band(
    rng: Generator, noise: NDArray[np.float64], centre_hz: float, quality: float
) -> NDArray[np.float64]:
    """Noise around a frequency, a little different each time."""
    return _resonance(noise, centre_hz * rng.uniform(0.9, 1.1), quality / (np.pi * centre_hz))


def _gain(rng: Generator, low_db: float, high_db: float) -> float:
    return float(10.0 ** (rng.uniform(low_db, high_db) / 20.0))
