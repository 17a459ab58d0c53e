"""How a voice reaches the microphones: straight from a seat, or from the street through the car's body.

Everything is linear and at rest: a path is a response [2 microphones, BINS] in frequency. What comes in
through an opening goes on in the cabin from there as its image sources say; its direct part alone is
weakened by diffraction where the opening does not let the talker be seen from the microphone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from detectors.types import DETECTION_RATE_HZ
from training.cabin.cars import RESPONSE_DELAY_SAMPLES, Car, Opening, Point, seats

PATH_SAMPLES = 4_096
BINS = PATH_SAMPLES // 2 + 1
FREQUENCIES_HZ: NDArray[np.float64] = np.fft.rfftfreq(PATH_SAMPLES, 1.0 / DETECTION_RATE_HZ).astype(
    np.float64
)
SOUND_M_S = 343.0
GROUND_BELOW_FLOOR_M = 0.35
DIRECT_SAMPLES = 16
"""1 ms from the first arrival on: what of a response counts as direct."""

_OCTAVES_HZ = (63.0, 125.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0)

GLASS_LOSS_DB = (15.0, 18.0, 22.0, 26.0, 30.0, 33.0, 30.0, 35.0)
"""4 mm of tempered glass: the mass law with a coincidence dip near 3 kHz."""
LAMINATED_LOSS_DB = (16.0, 19.0, 23.0, 28.0, 32.0, 35.0, 36.0, 40.0)
"""5 mm of laminated glass: its foil damps the dip."""
METAL_LOSS_DB = (10.0, 14.0, 20.0, 28.0, 35.0, 40.0, 44.0, 46.0)
"""Doors and roof: sheet metal with damping and lining."""
LOSS_DB = {"tempered": GLASS_LOSS_DB, "laminated": LAMINATED_LOSS_DB, "metal": METAL_LOSS_DB}
LEAK_LOSS_DB = 33.0
"""Seals let through so much, whatever the frequency."""
BEHIND_BODY_DETOUR_M = 0.4
BEHIND_HEAD_DB = (0.0, 1.0, 2.0, 4.0, 6.0, 10.0, 14.0, 17.0)
"""How much weaker a voice is behind the head than before it."""

Windows = str
"""`closed`, `ajar` or `open`"""
WINDOWS: tuple[Windows, ...] = ("closed", "ajar", "open")

Complex = NDArray[np.complex128]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a car's body does to sound from outside, in one state of its windows."""

    windows: Windows
    lowered: Mapping[str, float]
    """By side window: how much of it is open, 0 to 1."""
    insulation_db: tuple[float, float]
    """As of its car."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """Where a car stands: walls along it, at their distance and with what they give back; none in a field."""

    walls: tuple[tuple[float, float], ...]
    """(y of the wall, reflection)"""
    ground: float


def draw_body(car: Car, windows: Windows, rng: np.random.Generator) -> Body:
    """Draw which of a car's windows are down, and how far."""
    names = [f"{side} {row} window" for side in ("left", "right") for row in ("front", "rear")]
    down: NDArray[np.str_] = (
        rng.permutation(names)[: int(rng.integers(1, 5))] if windows != "closed" else np.array([], np.str_)
    )
    share = {"closed": (0.0, 0.0), "ajar": (0.04, 0.2), "open": (0.6, 1.0)}[windows]
    return Body(
        windows=windows,
        lowered={str(name): float(rng.uniform(*share)) for name in down},
        insulation_db=car.insulation_db,
    )


def draw_street(rng: np.random.Generator) -> Street:
    """Draw a field, one facade, or two."""
    count = int(rng.integers(0, 3))
    sides = rng.permutation([-1.0, 1.0])[:count]
    walls = tuple((float(side * rng.uniform(2.5, 12.0)), float(rng.uniform(0.4, 0.85))) for side in sides)
    return Street(walls=walls, ground=float(rng.uniform(0.5, 0.9)))


def inside_path(car: Car, rng: np.random.Generator) -> tuple[Complex, str]:
    """A talker in a seat, looking ahead more or less; with the seat's name."""
    place = str(rng.choice(seats(car)))
    facing = _turned(np.array([1.0, 0.0, 0.0]), float(rng.normal(0.0, 0.5)))
    mouth = np.asarray(car.places[place])
    direct, rest = _split(car, place)
    straight = np.mean(car.microphones, axis=0) - mouth
    path = direct * _voice(facing, straight) + rest * _voice_around()
    return path, place.rsplit(" ", 1)[0]


def outside_path(
    car: Car, body: Body, street: Street, distance_m: float, rng: np.random.Generator
) -> Complex:
    """A talker who stands so far from the body, anywhere around it, and looks at the car or elsewhere."""
    mouth = _standing(car, distance_m, rng)
    towards = np.asarray(car.size) / 2 - mouth
    facing = _turned(towards / np.linalg.norm(towards), float(rng.normal(0.0, 0.8)))
    path = np.zeros((2, BINS), np.complex128)
    for opening in car.openings:
        share = body.lowered.get(opening.name, 0.0)
        if share < 1.0:
            centre = car.places[opening.name]
            arriving = _arriving(mouth, facing, centre, opening, street)
            through = _amplitude(opening.area_m2 * (1.0 - share)) * _wall(opening, body)
            direct, rest = _split(car, opening.name)
            path += (direct + rest) * arriving * through
        if share > 0.0:
            path += _through_air(car, opening, share, mouth, facing, street)
    return path


def opening_path(car: Car, body: Body, opening: Opening) -> Complex:
    """Noise of the street that comes in through one part of the body."""
    share = body.lowered.get(opening.name, 0.0)
    through = _amplitude(opening.area_m2 * (1.0 - share)) * _wall(opening, body)
    return place_path(car, opening.name) * (through + _amplitude(opening.area_m2 * share))


def place_path(car: Car, place: str) -> Complex:
    """Sound of a loudspeaker, a floor, a fan."""
    path: Complex = np.fft.rfft(car.responses[place].astype(np.float64), PATH_SAMPLES)
    return path


def through(
    path: Complex | NDArray[np.float64], samples: NDArray[np.floating], count: int
) -> NDArray[np.float64]:
    """Send mono audio along a path; [2, count]."""
    response = np.fft.irfft(path, PATH_SAMPLES)
    # What the spectra's zero phase puts before time zero comes back at the end of the response.
    response = np.roll(response, 64, axis=1)
    sent: NDArray[np.float64] = oaconvolve(samples[None, :], response, axes=1)[:, 64 : 64 + count]
    return sent


def by_octaves(
    decibels: tuple[float, ...] | NDArray[np.float64], at_hz: NDArray[np.float64] = FREQUENCIES_HZ
) -> NDArray[np.float64]:
    """Return amplitudes over frequency that pass through these gains at the octaves from 63 Hz to 8 kHz."""
    octave = np.log2(np.maximum(at_hz, 40.0))
    curve: NDArray[np.float64] = 10.0 ** (np.interp(octave, np.log2(_OCTAVES_HZ), decibels) / 20.0)
    return curve


def _standing(car: Car, distance_m: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return a mouth at the given distance from the outline of the body."""
    length, width, _ = car.size
    height = float(rng.uniform(1.25, 1.75)) - GROUND_BELOW_FLOOR_M
    side = int(rng.choice(4, p=(0.38, 0.38, 0.12, 0.12)))
    if side < 2:
        x = float(rng.uniform(0.1, 0.95)) * length
        return np.array([x, -distance_m if side == 0 else width + distance_m, height])
    y = float(rng.uniform(0.0, 1.0)) * width
    bonnet_m = 1.0
    return np.array([length + bonnet_m + distance_m if side == 2 else -distance_m, y, height])


def _arriving(
    mouth: NDArray[np.float64],
    facing: NDArray[np.float64],
    at: Point,
    opening: Opening,
    street: Street,
) -> Complex:
    """Sum the ways from the mouth to a point on the body: straight, by the ground, by the walls."""
    images = _images(mouth, street)
    ways = np.asarray(at) - np.stack([place for place, _, _ in images])
    metres = np.maximum(0.2, np.linalg.norm(ways, axis=1))
    behind = ways @ np.asarray(opening.outward) > 0.0  # from the other side of the body
    spectra = np.exp(FREQUENCIES_HZ * (-2j * np.pi / SOUND_M_S) * metres[:, None])
    for row, (_, gain, mirrored) in enumerate(images):
        spectra[row] *= gain / metres[row] * _voice(facing * mirrored, ways[row])
        if behind[row]:
            spectra[row] *= _shadow(BEHIND_BODY_DETOUR_M)
    total: Complex = spectra.sum(axis=0)
    return total


def _images(
    mouth: NDArray[np.float64], street: Street
) -> list[tuple[NDArray[np.float64], float, NDArray[np.float64]]]:
    """Return the mouth and its mirror images: place, amplitude, and which axes are mirrored."""
    keep = np.ones(3)
    images = [(mouth, 1.0, keep)]
    for wall, reflection in street.walls:
        flip = np.array([1.0, -1.0, 1.0])
        if (wall - mouth[1]) * wall > 0.0:  # the talker stands before that wall
            images.append((np.array([mouth[0], 2.0 * wall - mouth[1], mouth[2]]), reflection, flip))
    if len(street.walls) == 2:
        (first, give), (second, back) = street.walls
        period = 2.0 * (first - second)
        images += [(mouth + np.array([0.0, there, 0.0]), give * back, keep) for there in (-period, period)]
    floor = -GROUND_BELOW_FLOOR_M
    below = [
        (
            np.array([place[0], place[1], 2.0 * floor - place[2]]),
            gain * street.ground,
            mirrored * np.array([1.0, 1.0, -1.0]),
        )
        for place, gain, mirrored in images
    ]
    return images + below


def _through_air(
    car: Car,
    opening: Opening,
    share: float,
    mouth: NDArray[np.float64],
    facing: NDArray[np.float64],
    street: Street,
) -> Complex:
    """What comes in where the window is down: a slit at its top, or most of it."""
    place = opening.name if share > 0.5 else f"{opening.name} top"
    arriving = _arriving(mouth, facing, car.places[place], opening, street)
    direct, rest = _split(car, place)
    amplitude = _amplitude(opening.area_m2 * share)
    edge, metres, detour = _nearest_edge(car, opening, share, mouth)
    onward = max(0.2, float(np.linalg.norm(edge - np.mean(car.microphones, axis=0))))
    before = max(0.2, metres - onward)
    # In the line of sight the voice spreads on as it would without a car; beside it, less gets there.
    sight = before * onward / (before + onward)
    return arriving * (direct * sight * (_shadow(detour) if detour > 0.0 else 1.0) + rest * amplitude)


def _nearest_edge(
    car: Car, opening: Opening, share: float, mouth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Return the open part's point nearest to the line to the microphones, the way by it, and the detour."""
    to = np.mean(car.microphones, axis=0)
    low, high = np.asarray(opening.corners[0]), np.asarray(opening.corners[1]).copy()
    low = low.copy()
    low[2] = high[2] - share * (high[2] - low[2])
    across = to[1] - mouth[1]
    part = np.clip((low[1] - mouth[1]) / across, 0.0, 1.0) if abs(across) > 1e-6 else 0.5
    edge = np.clip(mouth + part * (to - mouth), low, high)
    way = float(np.linalg.norm(edge - mouth) + np.linalg.norm(to - edge))
    detour = way - float(np.linalg.norm(to - mouth))
    return edge, way, detour if detour > 1e-3 else 0.0


def _shadow(detour_m: float) -> NDArray[np.float64]:
    """What is left behind an edge, by Maekawa's rule from the detour in half wavelengths."""
    fresnel = 2.0 * detour_m * FREQUENCIES_HZ / SOUND_M_S
    left: NDArray[np.float64] = 1.0 / np.sqrt(3.0 + 20.0 * fresnel)
    return left


def _amplitude(area_m2: float) -> float:
    """Turn the pressure at an opening into the amplitude of a source there that sends on the same power."""
    return float(np.sqrt(area_m2 / (2.0 * np.pi)))


def _wall(opening: Opening, body: Body) -> NDArray[np.float64]:
    """Return what a shut part of the body lets through."""
    better_db, better_by_octave_db = body.insulation_db
    loss = np.asarray(LOSS_DB[opening.material]) + better_db
    loss = loss + better_by_octave_db * np.log2(np.asarray(_OCTAVES_HZ) / 1_000.0)
    through = 10.0 ** (-loss / 10.0) + 10.0 ** (-(LEAK_LOSS_DB + better_db) / 10.0)
    return by_octaves(np.minimum(10.0 * np.log10(through), 0.0))


def _voice(facing: NDArray[np.float64], way: NDArray[np.float64]) -> NDArray[np.float64]:
    """How a voice sounds in one direction."""
    cosine = float(facing @ way) / max(1e-6, float(np.linalg.norm(way)))
    return _voice_at(round(cosine * 20.0) / 20.0)


@lru_cache(maxsize=64)
def _voice_at(cosine: float) -> NDArray[np.float64]:
    return by_octaves(-np.asarray(BEHIND_HEAD_DB) * (1.0 - cosine) / 2.0)


@lru_cache(maxsize=1)
def _voice_around() -> NDArray[np.float64]:
    """How it sounds on the average over all directions."""
    return by_octaves(-np.asarray(BEHIND_HEAD_DB) * 0.4)


def _split(car: Car, place: str) -> tuple[Complex, Complex]:
    """Return the spectra of the direct part of a place's responses and of the rest, at both microphones."""
    responses = car.responses[place].astype(np.float64)
    at = np.arange(responses.shape[1])
    direct = np.zeros_like(responses)
    for number, microphone in enumerate(car.microphones):
        metres = float(np.linalg.norm(np.asarray(microphone) - np.asarray(car.places[place])))
        end = metres / SOUND_M_S * DETECTION_RATE_HZ + RESPONSE_DELAY_SAMPLES + DIRECT_SAMPLES
        direct[number] = responses[number] * np.clip((end - at) / 8.0, 0.0, 1.0)
    return np.fft.rfft(direct, PATH_SAMPLES), np.fft.rfft(responses - direct, PATH_SAMPLES)


def _turned(direction: NDArray[np.float64], radians: float) -> NDArray[np.float64]:
    """Turn a head about the vertical."""
    cosine, sine = np.cos(radians), np.sin(radians)
    x, y, z = direction
    return np.array([cosine * x - sine * y, sine * x + cosine * y, z])
