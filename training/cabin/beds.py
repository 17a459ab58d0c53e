"""The noise of a drive as both microphones hear it, in stretches that scenes cut from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ
from training.cabin import noises
from training.cabin.cars import Car, Side
from training.cabin.noises import Sounds
from training.cabin.paths import WINDOWS, Body, draw_body, opening_path, place_path, through

BED_S = 10.0
DRIVES = ("parked", "idle", "town", "motorway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """One car on one drive, its windows in one state."""

    drive: str
    body: Body
    noise: NDArray[np.float32]
    """[2, n], of no particular level"""
    music: NDArray[np.float32]
    """[2, n], what the car's loudspeakers play, if they do"""


def make_beds(side: Side, car: Car, sounds: Sounds, rng: np.random.Generator) -> list[Bed]:
    """Drive a car in all four ways with its windows in all three states."""
    count = round(BED_S * DETECTION_RATE_HZ)
    beds = []
    for windows in WINDOWS:
        for drive in DRIVES:
            body = draw_body(car, windows, rng)
            beds.append(
                Bed(
                    drive=drive,
                    body=body,
                    noise=_drive(side, drive, car, body, sounds, count, rng).astype(np.float32),
                    music=_played(car, sounds, count, rng).astype(np.float32),
                )
            )
    return beds


def _drive(
    side: Side,
    drive: str,
    car: Car,
    body: Body,
    sounds: Sounds,
    count: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Mix the noises of a parked, idling, town or motorway car."""
    street_db = {"parked": 0.0, "idle": -4.0, "town": -4.0, "motorway": -15.0}[drive]
    parts = [(_street(car, body, sounds, count, rng), street_db)]
    if drive == "parked" or rng.random() < 0.6:
        parts.append((through(place_path(car, "fan"), noises.fan(count, rng), count), -4.0))
    if drive != "parked":
        sound = noises.engine(count, int(rng.choice(noises.CYLINDERS[side])), rng)
        engine_db = 0.0 if drive == "idle" else -3.0
        parts.append((through(place_path(car, "bulkhead"), sound, count), engine_db))
    if drive in {"town", "motorway"}:
        tyres = [through(place_path(car, f"floor {at}"), noises.road(count, rng), count) for at in range(4)]
        parts.append((np.sum(tyres, axis=0), 0.0))
    if drive == "motorway":
        places = ("left front window", "right front window", "windscreen")
        air = [through(place_path(car, place), noises.wind(count, rng), count) for place in places]
        parts.append((np.sum(air, axis=0), -2.0))
    total = np.zeros((2, count))
    for noise, mean_db in parts:
        strength = 10.0 ** ((mean_db + rng.normal(0.0, 4.0)) / 20.0)
        total += noise * (strength / max(1e-12, float(np.sqrt(np.mean(noise**2)))))
    return total


def _street(
    car: Car, body: Body, sounds: Sounds, count: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """One place's sound, from four sides through the body."""
    total = np.zeros((2, count))
    recording = [sounds.streets[int(rng.integers(len(sounds.streets)))]]
    for at in rng.permutation(len(car.openings))[:4]:
        sound = noises.piece(recording, count, rng)
        total += through(opening_path(car, body, car.openings[int(at)]), sound, count)
    return total


def _played(car: Car, sounds: Sounds, count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Music from the car's four loudspeakers."""
    left, right = noises.music(sounds.music, count, rng)
    fade = rng.uniform(0.3, 1.0)
    total = np.zeros((2, count))
    for number, (channel, gain) in enumerate(((right, 1.0), (left, 1.0), (right, fade), (left, fade))):
        total += through(place_path(car, f"loudspeaker {number}") * gain, channel, count)
    return total
