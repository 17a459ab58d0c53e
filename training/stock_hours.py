"""Hours of places that are not there: pairs of recordings at many levels, in many rooms.

False alarms of a profile are counted on them by heads that have met neither recording of a pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES
from training.recordings import Row
from training.stock_catalogue import AMBIENCE_SOURCES, HOURS_SOURCES, profiles_in
from training.stock_embeddings import Clip
from training.stock_fitting import FOLDS, fold_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from detectors.types import Samples

PIECE_S = 30.0
HOURS_A_FOLD = 1.5
LEVELS_DB = (-24.0, 6.0)
SECOND_DB = (-15.0, 3.0)
"""The second recording of a pair, over the first."""
ROOM_S = (0.05, 0.5)
"""How long a room takes to fall by 60 dB."""
DIRECT_DB = (-3.0, 9.0)
"""The direct sound over all that the room adds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Which two recordings sound at once."""

    row: Row
    """What the piece may hold, as a manifest would say it"""
    first: str
    second: str


def pairs(rows: Sequence[Row]) -> Iterator[Pair]:
    """Yield HOURS_A_FOLD of pieces for each fold, both recordings of a piece from that fold.

    The first is a place: most files are of people, most of a home's hours are not.
    """
    for fold in range(FOLDS):
        chosen = sorted(
            (row for row in rows if row.source in HOURS_SOURCES and fold_of(row) == fold),
            key=lambda row: row.path,
        )
        places = [row for row in chosen if row.source in AMBIENCE_SOURCES]
        for number in range(round(HOURS_A_FOLD * 3_600.0 / PIECE_S) if places and len(chosen) > 1 else 0):
            rng = np.random.default_rng((fold, number))
            first = places[int(rng.integers(len(places)))]
            second = [row for row in chosen if row is not first][int(rng.integers(len(chosen) - 1))]
            yield Pair(row=_row(first, second, fold, number), first=first.path, second=second.path)


def mixed_clips(recordings: Mapping[str, tuple[Row, Samples]]) -> Iterator[Clip]:
    """Yield the pieces as they sound."""
    for number, pair in enumerate(pairs([row for row, _ in recordings.values()])):
        first, second = recordings[pair.first][1], recordings[pair.second][1]
        audio = mixed(first, second, np.random.default_rng((number, 1)))
        hops = len(audio) // HOP_SAMPLES
        yield Clip(
            row=pair.row, plain=False, audio=audio[: hops * HOP_SAMPLES], active=np.zeros(hops, np.bool_)
        )


def mixed(first: Samples, second: Samples, rng: np.random.Generator) -> Samples:
    """Return PIECE_S of two recordings at once, in a room, at some level."""
    one, other = _piece(first, rng), _piece(second, rng)
    second_gain = 10.0 ** (rng.uniform(*SECOND_DB) / 20.0) * _rms(one) / _rms(other)
    both = _in_room(one + np.float32(second_gain) * other, rng)
    level = 10.0 ** (rng.uniform(*LEVELS_DB) / 20.0)
    return np.asarray(np.clip(both * np.float32(level), -1.0, 1.0), dtype=np.float32)


def _row(first: Row, second: Row, fold: int, number: int) -> Row:
    return Row(
        path=f"training/stock_hours.py/{fold}/{number}",
        source="mixed",
        label="mixed",
        fold=str(fold),
        group="",
        seconds=PIECE_S,
        licence="",
        ships=first.ships and second.ships,
        split="train",
        may_contain=tuple(sorted(profiles_in(first) | profiles_in(second))),
        attribution="",
    )


def _piece(audio: Samples, rng: np.random.Generator) -> Samples:
    length = int(PIECE_S * DETECTION_RATE_HZ)
    start = int(rng.integers(0, max(1, len(audio) - length)))
    return np.resize(audio[start : start + length], length)


def _in_room(audio: Samples, rng: np.random.Generator) -> Samples:
    """Convolve with noise that dies away, behind a direct sound that is as strong as all of it."""
    decay_s = rng.uniform(*ROOM_S)
    times = np.arange(int(decay_s * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    tail = rng.standard_normal(len(times)) * 10.0 ** (-3.0 * times / decay_s)
    tail[0] = np.sqrt(np.sum(np.square(tail[1:]))) * 10.0 ** (rng.uniform(*DIRECT_DB) / 20.0)
    tail /= np.sqrt(np.sum(np.square(tail)))
    size = 1 << (len(audio) + len(tail) - 1).bit_length()
    product = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(tail, size), size)[: len(audio)]
    return product.astype(np.float32)


def _rms(samples: Samples) -> float:
    return max(1e-6, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))
