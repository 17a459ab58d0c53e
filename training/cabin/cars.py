"""Cars as the simulation knows them: shoebox cabins with seats, windows, loudspeakers and two microphones.

Axes in metres: x forward from the rear window, y from the right side to the left, z up from the cabin's
floor. A car is symmetrical enough that left and right of the driver do not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyroomacoustics as pra
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ

Side = str
"""`train` or `test`: no body, and so no cabin, is on both."""

BODIES: Mapping[Side, Mapping[str, tuple[float, float, float]]] = {
    "train": {
        "supermini": (2.05, 1.34, 1.16),
        "saloon": (2.45, 1.42, 1.14),
        "estate": (3.05, 1.44, 1.16),
        "sports car": (1.75, 1.36, 1.02),
        "off-roader": (2.75, 1.52, 1.24),
        "van": (2.95, 1.62, 1.36),
        "coupe": (2.20, 1.38, 1.06),
        "crossover": (2.50, 1.46, 1.21),
    },
    "test": {
        "city car": (1.90, 1.30, 1.18),
        "hatchback": (2.30, 1.40, 1.15),
        "limousine": (2.70, 1.48, 1.16),
        "people carrier": (3.10, 1.55, 1.28),
        "sport utility": (2.60, 1.50, 1.22),
    },
}
"""Length, width and height of the cabin; each car made of a body varies them by up to 5 %."""

OCTAVES_HZ = (125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0)

ABSORPTION: Mapping[str, tuple[float, ...]] = {
    "floor": (0.15, 0.25, 0.45, 0.60, 0.65, 0.70),  # carpet and seats
    "ceiling": (0.10, 0.20, 0.35, 0.45, 0.50, 0.50),  # headliner
    "east": (0.15, 0.12, 0.12, 0.12, 0.12, 0.12),  # windscreen and dashboard
    "west": (0.20, 0.30, 0.40, 0.45, 0.50, 0.50),  # rear seats and window
    "north": (0.20, 0.18, 0.20, 0.22, 0.22, 0.22),  # doors and side windows
    "south": (0.20, 0.18, 0.20, 0.22, 0.22, 0.22),
}
"""Of the energy, by octave: reverberation of 0.05 to 0.13 s, as published for cars."""

SPACINGS_M = (0.06, 0.16)
IMAGE_ORDER = 11
HEADS_PER_SEAT = 2
RESPONSE_SAMPLES = 1_600
RESPONSE_DELAY_SAMPLES = pra.constants.get("frac_delay_length") // 2
"""By so much pyroomacoustics delays every response."""

SENSITIVITY_SPREAD_DB = 2.0
"""Data sheets promise 1 dB for a microphone; mounting and gain stages add."""

Point = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A part of the body through which sound comes in."""

    name: str
    corners: tuple[Point, Point]
    """Its smallest and largest coordinates."""
    outward: Point
    area_m2: float
    material: str
    """`tempered`, `laminated` or `metal`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """One car with the impulse responses from all its places to both microphones."""

    body: str
    size: Point
    microphones: tuple[Point, Point]
    openings: tuple[Opening, ...]
    places: Mapping[str, Point]
    insulation_db: tuple[float, float]
    """How much better than the textbook this body keeps sound out: at 1 kHz, and by octave above."""
    microphone_db: tuple[float, ...]
    """The response of its microphones at the octaves from 63 Hz to 8 kHz."""
    sensitivity_db: float
    """By how much its microphones are louder than nominal."""
    responses: Mapping[str, NDArray[np.float32]]
    """By place: [2, RESPONSE_SAMPLES], of a source with amplitude 1 at one metre"""


def make_car(side: Side, rng: np.random.Generator) -> Car:
    """Draw one car of a side and compute its impulse responses (about a second)."""
    body = str(rng.choice(sorted(BODIES[side])))
    length, width, height = (float(rng.uniform(0.95, 1.05)) * metres for metres in BODIES[side][body])
    size = (length, width, height)
    openings = _openings(size)
    places = _places(size, openings, rng)
    microphones = _microphones(size, rng)
    return Car(
        body=body,
        size=size,
        microphones=microphones,
        openings=openings,
        places=places,
        insulation_db=(float(rng.normal(0.0, 3.0)), float(rng.normal(0.0, 1.0))),
        microphone_db=_microphone_response(rng),
        sensitivity_db=float(rng.normal(0.0, SENSITIVITY_SPREAD_DB)),
        responses=_responses(size, places, microphones, rng),
    )


def seats(car: Car) -> list[str]:
    """Return the places of heads, each seat several times."""
    return [name for name in car.places if name.startswith("seat")]


def _openings(size: Point) -> tuple[Opening, ...]:
    length, width, height = size
    low, high = 0.55 * height, 0.95 * height
    found = []
    for side_name, y, out in (("right", 0.0, -1.0), ("left", width, 1.0)):
        for row, start, end in (("front", 0.50, 0.78), ("rear", 0.18, 0.47)):
            corners = ((start * length, y, low), (end * length, y, high))
            found.append((f"{side_name} {row} window", corners, (0.0, out, 0.0), "tempered"))
        door = ((0.15 * length, y, 0.05 * height), (0.8 * length, y, 0.5 * height))
        found.append((f"{side_name} doors", door, (0.0, out, 0.0), "metal"))
    screen = ((length, 0.08 * width, 0.5 * height), (length, 0.92 * width, high))
    rear = ((0.0, 0.12 * width, 0.55 * height), (0.0, 0.88 * width, high))
    roof = ((0.1 * length, 0.1 * width, height), (0.9 * length, 0.9 * width, height))
    found.append(("windscreen", screen, (1.0, 0.0, 0.0), "laminated"))
    found.append(("rear window", rear, (-1.0, 0.0, 0.0), "tempered"))
    found.append(("roof", roof, (0.0, 0.0, 1.0), "metal"))
    return tuple(
        Opening(name=name, corners=corners, outward=outward, area_m2=_area(corners), material=made_of)
        for name, corners, outward, made_of in found
    )


def _area(corners: tuple[Point, Point]) -> float:
    edges = sorted(high - low for low, high in zip(*corners, strict=True))
    return edges[1] * edges[2]


def _places(size: Point, openings: tuple[Opening, ...], rng: np.random.Generator) -> dict[str, Point]:
    """Return where sound starts inside: heads, openings and their upper edges, loudspeakers, machinery."""
    length, width, height = size
    places: dict[str, Point] = {}
    for row, x, columns in (("front", 0.62, (0.27, 0.73)), ("rear", 0.28, (0.25, 0.5, 0.75))):
        for column in columns:
            for head in range(HEADS_PER_SEAT):
                shift = rng.normal(0.0, 0.04, 3)
                places[f"seat {row} {column} {head}"] = (
                    x * length + shift[0],
                    column * width + shift[1],
                    0.74 * height + shift[2],
                )
    for opening in openings:
        inside = np.mean(opening.corners, axis=0) - 0.04 * np.asarray(opening.outward)
        places[opening.name] = (float(inside[0]), float(inside[1]), float(inside[2]))
        if opening.name.endswith(("front window", "rear window")) and opening.outward[1]:
            places[f"{opening.name} top"] = (float(inside[0]), float(inside[1]), 0.93 * height)
    for number, (x, y) in enumerate(((0.75, 0.05), (0.75, 0.95), (0.2, 0.05), (0.2, 0.95))):
        places[f"loudspeaker {number}"] = (x * length, y * width, 0.25 * height)
    for number, (x, y) in enumerate(((0.85, 0.2), (0.85, 0.8), (0.15, 0.2), (0.15, 0.8))):
        places[f"floor {number}"] = (x * length, y * width, 0.04)
    places["bulkhead"] = (length - 0.05, 0.5 * width, 0.2 * height)
    places["fan"] = (length - 0.1, float(rng.uniform(0.3, 0.7)) * width, 0.55 * height)
    return places


def _microphones(size: Point, rng: np.random.Generator) -> tuple[Point, Point]:
    """Two microphones side by side: at the mirror, in the roof console, or at the head unit."""
    length, width, height = size
    x, z = ((0.83, 0.90), (0.70, 0.96), (0.92, 0.55))[int(rng.choice(3, p=(0.4, 0.4, 0.2)))]
    spacing = float(rng.uniform(*SPACINGS_M))
    middle = 0.5 * width + float(rng.normal(0.0, 0.03))
    x, z = x * length + float(rng.normal(0.0, 0.03)), z * height + float(rng.normal(0.0, 0.01))
    return (x, middle - spacing / 2, z), (x, middle + spacing / 2, z)


@lru_cache(maxsize=1)
def _amplitude_at_one_metre() -> float:
    """Return what pyroomacoustics makes of a source of its own amplitude 1: versions differ."""
    room = pra.ShoeBox((4.0, 4.0, 4.0), fs=DETECTION_RATE_HZ, max_order=0)
    room.add_source([1.5, 2.0, 2.0])
    room.add_microphone([2.5, 2.0, 2.0])
    room.compute_rir()
    return float(np.abs(np.fft.rfft(room.rir[0][0], RESPONSE_SAMPLES))[150:300].mean())


def _microphone_response(rng: np.random.Generator) -> tuple[float, ...]:
    """A tilt of a decibel or two, ripples, and a high pass against rumble."""
    response = rng.normal(0.0, 1.0) * np.linspace(-1.0, 1.0, 8) + rng.normal(0.0, 1.0, 8)
    response[0] -= rng.uniform(3.0, 12.0)
    return tuple(response.tolist())


def _responses(
    size: Point, places: Mapping[str, Point], microphones: tuple[Point, Point], rng: np.random.Generator
) -> dict[str, NDArray[np.float32]]:
    """Image sources of a shoebox whose walls absorb by octave."""
    materials = {}
    for wall, energy in ABSORPTION.items():
        factor = rng.uniform(1.0, 2.0) * rng.uniform(0.9, 1.1, len(energy))
        coeffs = np.clip(np.asarray(energy) * factor, 0.02, 0.95).tolist()
        materials[wall] = pra.Material({"coeffs": coeffs, "center_freqs": list(OCTAVES_HZ)})
    room = pra.ShoeBox(size, fs=DETECTION_RATE_HZ, materials=materials, max_order=IMAGE_ORDER)
    for place in places.values():
        room.add_source(list(np.clip(place, 0.02, np.asarray(size) - 0.02)))
    room.add_microphone_array(np.asarray(microphones).T)
    room.compute_rir()
    one = _amplitude_at_one_metre()
    responses = {}
    for number, name in enumerate(places):
        both = np.zeros((2, RESPONSE_SAMPLES), np.float32)
        for microphone in range(2):
            response = room.rir[microphone][number][:RESPONSE_SAMPLES]
            both[microphone, : len(response)] = response / one
        responses[name] = both
    return responses
