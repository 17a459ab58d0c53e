"""One utterance in one car: a talker inside or outside, the noise of a drive, two microphones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count as count_up

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft

from detectors.types import DETECTION_RATE_HZ
from training.cabin.beds import Bed
from training.cabin.cars import Car
from training.cabin.noises import Audio
from training.cabin.paths import (
    Body,
    Complex,
    by_octaves,
    draw_street,
    inside_path,
    outside_path,
    through,
)
from training.cabin.talkers import Utterance

BEFORE_S = 1.6
AFTER_S = 0.4
DISTANCES_M = (0.5, 5.0)
SNR_DB = (0.0, 20.0)
EFFORT_DBA = (56.0, 72.0)
"""Of a voice, one metre before the mouth: from casual to loud, the same inside and outside."""
TRIES = 12
OWN_NOISE_DBA = (27.0, 32.0)
"""Of the microphone."""
FULL_SCALE_DB = 120.0
"""Sound pressure level of a full-scale signal: that of most digital microphones."""
ONE_PASCAL_DB = 94.0
ACTIVE_DB = 30.0
"""Speech counts where a frame is this close to the loudest one."""
A_WEIGHTING_DB = (-26.2, -16.1, -8.6, -3.2, 0.0, 1.2, 1.0, -1.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What a scene is to be; what it leaves open is drawn."""

    inside: bool
    music_snr_db: float | None = None
    """None: no music."""
    speech: bool = True
    """False: the same car with nobody speaking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What was rendered."""

    samples: NDArray[np.float32]
    """[2, n] at the detection rate"""
    inside: bool
    speech: bool
    talker: str
    body: str
    microphone_distance_m: float
    windows: str
    distance_m: float
    """From the body; 0 inside."""
    seat: str
    level_dba: float
    """Of the speech at the microphone."""
    snr_db: float
    music_snr_db: float | None
    drive: str
    start_s: float
    end_s: float
    """Of the utterance."""


def render(
    order: Order, car: Car, beds: Sequence[Bed], utterance: Utterance, rng: np.random.Generator
) -> Scene:
    """Draw what the order leaves open, and mix, in pascals until the microphone.

    A voice is as loud as it is where it arrives; the noise is what the drawn signal-to-noise ratio leaves.
    Both are A-weighted, so that rumble does not flatter the ratio. A talker whom the microphone's own noise
    would drown at that ratio is drawn again, nearer or louder: what nobody hears is not judged. A car that
    lets nobody be heard gets other windows after a while.
    """
    before, after = round(BEFORE_S * DETECTION_RATE_HZ), round(AFTER_S * DETECTION_RATE_HZ)
    count = before + len(utterance.samples) + after
    dry = np.concatenate([np.zeros(before), utterance.samples, np.zeros(after)])
    spoken = active_share(utterance.samples) * len(utterance.samples) / count
    dry *= np.sqrt(spoken) / level(dry[None, :])
    snr_db = float(rng.uniform(*SNR_DB))
    own_noise = _pascals(rng.uniform(*OWN_NOISE_DBA))
    for number in count_up():
        if number % TRIES == 0:
            bed = beds[int(rng.integers(len(beds)))]
        way = _way(order, car, bed.body, rng)
        speech = through(way.path, dry * _pascals(rng.uniform(*EFFORT_DBA)), count)
        loud = level(speech) / np.sqrt(spoken)
        noise_level = loud * 10.0 ** (-snr_db / 20.0)
        if noise_level > own_noise:
            break
    heard = _stretch(bed.noise, count, noise_level, rng)
    if order.music_snr_db is not None:
        heard = heard + _stretch(bed.music, count, loud * 10.0 ** (-order.music_snr_db / 20.0), rng)
    if order.speech:
        heard = heard + speech
    return Scene(
        samples=_recorded(car, heard, own_noise, rng),
        inside=order.inside,
        speech=order.speech,
        talker=utterance.talker,
        body=car.body,
        microphone_distance_m=car.microphones[1][1] - car.microphones[0][1],
        windows=bed.body.windows,
        distance_m=way.distance_m,
        seat=way.seat,
        level_dba=20.0 * float(np.log10(loud / _pascals(0.0))),
        snr_db=snr_db,
        music_snr_db=order.music_snr_db,
        drive=bed.drive,
        start_s=before / DETECTION_RATE_HZ,
        end_s=(before + len(utterance.samples)) / DETECTION_RATE_HZ,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """From one mouth to the microphones."""

    path: Complex
    distance_m: float
    seat: str


def _way(order: Order, car: Car, body: Body, rng: np.random.Generator) -> _Way:
    if order.inside:
        path, seat = inside_path(car, rng)
        return _Way(path=path, distance_m=0.0, seat=seat)
    distance_m = float(np.exp(rng.uniform(*np.log(DISTANCES_M))))
    path = outside_path(car, body, draw_street(rng), distance_m, rng)
    return _Way(path=path, distance_m=distance_m, seat="")


def level(samples: NDArray[np.float64]) -> float:
    """Return the A-weighted root mean square at the first microphone."""
    count = samples.shape[1]
    power = np.abs(rfft(samples[0], next_fast_len(count, real=True))) ** 2
    weights = _a_weights(len(power))
    return max(1e-12, float(np.sqrt(2.0 * (power @ weights) / ((2 * len(power) - 2) * count))))


def active_share(samples: Audio) -> float:
    """Return in which part of the frames of 20 ms somebody speaks."""
    frames = np.square(samples[: len(samples) // 320 * 320]).reshape(-1, 320).mean(axis=1)
    return float((frames > frames.max() * 10.0 ** (-ACTIVE_DB / 10.0)).mean())


@lru_cache(maxsize=256)
def _a_weights(bins: int) -> NDArray[np.float64]:
    hertz = np.linspace(0.0, DETECTION_RATE_HZ / 2.0, bins)
    return by_octaves(np.asarray(A_WEIGHTING_DB), hertz) ** 2


def _stretch(
    bed: NDArray[np.float32], count: int, wanted: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Cut a stretch of noise anywhere, and bring it to a level."""
    start = int(rng.integers(bed.shape[1] - count))
    stretch = bed[:, start : start + count].astype(np.float64)
    return stretch * (wanted / level(stretch))


def _recorded(
    car: Car, heard: NDArray[np.float64], own_noise: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Give the microphones their response, sensitivity (alike to half a decibel) and own noise."""
    shape = by_octaves(np.asarray(car.microphone_db))[None, :]
    both = np.concatenate([through(shape, one, len(one)) for one in heard])
    both += rng.standard_normal(both.shape) * own_noise
    gains_db = car.sensitivity_db + rng.normal(0.0, 0.5, (2, 1)) + ONE_PASCAL_DB - FULL_SCALE_DB
    recorded: NDArray[np.float32] = np.clip(both * 10.0 ** (gains_db / 20.0), -1.0, 1.0).astype(np.float32)
    return recorded


def _pascals(decibels: float) -> float:
    return float(20e-6 * 10.0 ** (decibels / 20.0))
