"""What else sounds in a car: engine, road, wind and fan from code, streets and music from recordings.

The two sides share no recording; what code makes differs by engine, by surface and by seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ
from training.cabin.cars import Side
from training.recordings import Row

CYLINDERS: Mapping[Side, tuple[int, ...]] = {"train": (4, 6, 8), "test": (3, 5)}

STREET_LABELS = frozenset(
    [
        "rain",
        "wind",
        "car_horn",
        "train",
        "engine",
        "airplane",
        "siren",
        "birds",
        "chirping_birds",
        "storm",
        "leaves",
        "boat",
        "forestday_bw_66",
        "traffic",
        "road",
        "busy_street",
        "car_engine",
        "small_waterfall_pentalofos_salonika_21_3",
    ]
)
MUSIC_LABELS = frozenset(
    ["music_loop", "ethereal_voices", "rmr_morphagene_reels_choirs_02", "sung_vowel", "vocal", "ambience"]
)
LONGEST_S = 60
"""Of a recording, no more is read."""
SCALE_HZ = 55.0 * 2.0 ** (np.arange(60) / 12.0)
CHORDS = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 3, 7, 10), (0, 5, 7))

Audio = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sounds:
    """The recordings of one side, each mono at the detection rate."""

    streets: Sequence[Audio]
    music: Sequence[Audio]


def read_sounds(data: Path, rows: Sequence[Row]) -> Sounds:
    """Read the streets and the music among these rows."""
    return Sounds(
        streets=[read_audio(data / row.path) for row in rows if row.label in STREET_LABELS],
        music=[read_audio(data / row.path) for row in rows if row.label in MUSIC_LABELS],
    )


def read_audio(file: Path) -> Audio:
    """Read a recording as mono at the detection rate."""
    with soundfile.SoundFile(file) as recording:
        rate_hz = recording.samplerate
        samples = recording.read(LONGEST_S * rate_hz, dtype="float32", always_2d=True)
    mono: Audio = soxr.resample(samples.mean(axis=1), rate_hz, DETECTION_RATE_HZ).astype(np.float32)
    return mono


def coloured(count: int, shape: Mapping[float, float], rng: np.random.Generator) -> Audio:
    """Noise whose level in decibels goes through these points over frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    octave = np.log2(np.maximum(np.fft.rfftfreq(count, 1.0 / DETECTION_RATE_HZ), 20.0))
    gains = np.interp(octave, np.log2(list(shape)), list(shape.values()))
    return unit(np.fft.irfft(spectrum * 10.0 ** (gains / 20.0), count))


def engine(count: int, cylinders: int, rng: np.random.Generator) -> Audio:
    """Orders of a crankshaft whose speed drifts, above the rumble of combustion."""
    seconds = count / DETECTION_RATE_HZ
    knots = np.cumsum(rng.normal(0.0, 0.02, 8))
    speed = np.interp(np.linspace(0, seconds, count), np.linspace(0, seconds, 8), np.exp(knots))
    turning_hz = rng.uniform(12.0, 60.0) * speed
    phase = 2.0 * np.pi * np.cumsum(turning_hz) / DETECTION_RATE_HZ
    slope, total = rng.uniform(0.6, 1.3), np.zeros(count)
    for half_order in range(1, 40):
        strong = 1.0 if half_order % cylinders == 0 else rng.uniform(0.05, 0.5)
        total += strong * half_order**-slope * np.sin(half_order / 2.0 * phase + rng.uniform(0, 6.28))
    rumble = coloured(count, {30: 0, 120: 0, 400: -12, 1_500: -26, 6_000: -44}, rng)
    return unit(unit(total) + rng.uniform(0.3, 1.2) * rumble)


def road(count: int, rng: np.random.Generator) -> Audio:
    """Tyres on one surface: falls with frequency, with a hump near 1 kHz."""
    fall = rng.uniform(5.0, 9.0)
    hump = rng.uniform(0.0, 8.0)
    shape = {
        hz: -fall * np.log2(hz / 60.0) + rng.normal(0.0, 1.5) + (hump if 600 < hz < 1_400 else 0.0)
        for hz in (60.0, 120.0, 250.0, 500.0, 800.0, 1_200.0, 2_000.0, 4_000.0, 8_000.0)
    }
    return coloured(count, shape, rng)


def wind(count: int, rng: np.random.Generator) -> Audio:
    """Air along the windows, in gusts."""
    fall = rng.uniform(3.0, 6.0)
    shape = {
        hz: -fall * abs(np.log2(hz / rng.uniform(200, 500)))
        for hz in (60.0, 300.0, 1_000.0, 3_000.0, 8_000.0)
    }
    gusts = np.interp(np.arange(count), np.linspace(0, count, 12), rng.uniform(0.6, 1.4, 12))
    return unit(coloured(count, shape, rng) * gusts)


def fan(count: int, rng: np.random.Generator) -> Audio:
    """The ventilation: broad noise and the hum of its blades."""
    top = rng.uniform(300.0, 1_200.0)
    shape = {50.0: -12.0, top: 0.0, 2 * top: -rng.uniform(2, 6), 8_000.0: -rng.uniform(18, 32)}
    blades = np.sin(2.0 * np.pi * rng.uniform(90.0, 400.0) * np.arange(count) / DETECTION_RATE_HZ)
    return unit(coloured(count, dict(sorted(shape.items())), rng) + rng.uniform(0.0, 0.3) * blades)


def piece(recordings: Sequence[Audio], count: int, rng: np.random.Generator) -> Audio:
    """A stretch of one of the recordings, begun anywhere and repeated when it is too short."""
    recording = recordings[int(rng.integers(len(recordings)))]
    start = int(rng.integers(len(recording)))
    return unit(np.resize(np.roll(recording, -start), count))


def music(recordings: Sequence[Audio], count: int, rng: np.random.Generator) -> tuple[Audio, Audio]:
    """Two channels of music: loops, voices and instruments that were recorded, over chords from code."""
    shared = np.zeros(count)
    for _ in range(int(rng.integers(1, 3))):
        shared += rng.uniform(0.4, 1.0) * piece(recordings, count, rng)
    if rng.random() < 0.6:
        shared += rng.uniform(0.5, 1.2) * _chords(count, rng)
    apart = rng.uniform(0.0, 0.5)
    left = unit(shared + apart * piece(recordings, count, rng))
    right = unit(shared + apart * piece(recordings, count, rng))
    return left, right


def unit(samples: NDArray[np.floating]) -> Audio:
    """Scale to a root mean square of one."""
    scaled: Audio = (samples / max(1e-9, float(np.sqrt(np.mean(np.square(samples)))))).astype(np.float32)
    return scaled


def _chords(count: int, rng: np.random.Generator) -> Audio:
    """Four chords in turn over a beat, with a bass and noise for a drum."""
    beat = int(DETECTION_RATE_HZ * rng.uniform(0.3, 0.7))
    root, total = int(rng.integers(12, 30)), np.zeros(count + 2 * beat)
    brightness = rng.uniform(0.8, 1.6)
    at = np.arange(2 * beat) / DETECTION_RATE_HZ
    steps = rng.choice([0, 2, 3, 5, 7, 8, 9], 4)
    for number, start in enumerate(range(0, count, beat)):
        chord = CHORDS[int(rng.integers(len(CHORDS)))]
        key = root + int(steps[(number // 4) % 4])
        notes = [key + tone for tone in chord] + ([key - 12] if number % 2 == 0 else [])
        decay = np.exp(-at * rng.uniform(1.0, 6.0))
        for note in notes:
            hertz = SCALE_HZ[max(0, min(note, len(SCALE_HZ) - 1))]
            for partial in range(1, 9):
                wave = np.sin(2.0 * np.pi * hertz * partial * at + rng.uniform(0, 6.28))
                total[start : start + 2 * beat] += partial**-brightness * decay * wave
        drum = rng.standard_normal(2 * beat) * np.exp(-at * rng.uniform(25.0, 80.0))
        total[start : start + 2 * beat] += rng.uniform(0.5, 2.0) * drum
    return unit(total[:count])
