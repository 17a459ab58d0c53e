"""What a home sounds like by itself: a bounded sample of embeddings for each stream, and no audio.

Of each stretch of BLOCK_HOPS one hop is offered: the one that came closest to a profile, else the loudest.
A sampling by priority keeps the loud and the near-misses and thins out the rest, and still tells how many
stretches each row that was kept stands for, so that rates read off the sample are not biased by the choice.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import EncoderId
from detectors.types import HOP_S
from fewshot_profiles.arrays import Arrays, bad_file, floats, read_arrays, write_arrays

ROWS = 700
"""Rows of one generation: at 192 numbers of two bytes, 270 kB."""

GENERATION_HOURS = 336.0
"""A home changes: after two weeks a new sample begins, and the one before is kept beside it for two more."""

_WEIGHT_LOUD = 0.1  # for each decibel over the noise floor
_WEIGHT_NEAR = 60.0  # for a hop right below a threshold; those far below count next to nothing
_NEAR_POWER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ambience:
    """Rows that were kept, and how much sound they stand for."""

    embeddings: NDArray[np.float32]
    """[n, dim]"""
    stands_for: NDArray[np.float32]
    """[n], how many stretches of BLOCK_HOPS"""
    weight: NDArray[np.float32]
    """[n], how much each wants to be kept"""
    at_s: NDArray[np.float64]
    """[n], when each was heard, Unix seconds"""
    taken_for: tuple[str, ...]
    """[n], the profile whose threshold it reached, else empty"""
    hours: float
    """How long was listened, silence included."""

    def __len__(self) -> int:
        return len(self.embeddings)

    def without(self, spans: Iterable[tuple[float, float]]) -> Ambience:
        """Return the rows heard outside these spans of Unix seconds."""
        keep = np.ones(len(self), dtype=bool)
        for start, end in spans:
            keep &= (self.at_s < start) | (self.at_s > end)
        return self.where(keep)

    def not_taken_for(self, profile: str) -> Ambience:
        """Return the rows that this profile did not claim: whether it was right is the owner's to say."""
        return self.where(np.array([name != profile for name in self.taken_for], dtype=bool))

    def where(self, keep: NDArray[np.bool_]) -> Ambience:
        """Return the chosen rows; the hours stay."""
        return Ambience(
            embeddings=self.embeddings[keep],
            stands_for=self.stands_for[keep],
            weight=self.weight[keep],
            at_s=self.at_s[keep],
            taken_for=tuple(name for name, kept in zip(self.taken_for, keep, strict=True) if kept),
            hours=self.hours,
        )


def nothing_heard(dim: int, hours: float = 0.0) -> Ambience:
    """Return the ambience of a home in which nothing sounded."""
    return Ambience(
        embeddings=np.zeros((0, dim), np.float32),
        stands_for=np.zeros(0, np.float32),
        weight=np.zeros(0, np.float32),
        at_s=np.zeros(0, np.float64),
        taken_for=(),
        hours=hours,
    )


def together(parts: Sequence[Ambience], dim: int) -> Ambience:
    """Return the ambience of several streams or generations as one: their hours add up."""
    parts = [nothing_heard(dim), *parts]
    return Ambience(
        embeddings=np.concatenate([part.embeddings for part in parts]),
        stands_for=np.concatenate([part.stands_for for part in parts]),
        weight=np.concatenate([part.weight for part in parts]),
        at_s=np.concatenate([part.at_s for part in parts]),
        taken_for=tuple(name for part in parts for name in part.taken_for),
        hours=sum(part.hours for part in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One hop that is offered to the sample."""

    embedding: NDArray[np.float32]
    over_floor_db: float
    nearness: float
    """The highest score of any profile as a part of its threshold."""
    taken_for: str
    at_s: float

    @property
    def weight(self) -> float:
        """How much this moment wants to be kept; one is ordinary."""
        return float(weights(np.array([self.over_floor_db]), np.array([self.nearness]))[0])


def weights(over_floor_db: NDArray[np.floating], nearness: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how much moments want to be kept, by level [n] and by nearness [n] to a threshold."""
    near = np.clip(nearness, 0.0, 1.0) ** _NEAR_POWER
    wanted: NDArray[np.float64] = 1.0 + _WEIGHT_LOUD * np.maximum(over_floor_db, 0.0) + _WEIGHT_NEAR * near
    return wanted


@dataclass(slots=True)
class _Row:
    moment: Moment
    weight: float


@dataclass(slots=True, kw_only=True)
class Reservoir:
    """Samples one stream. Keeps the ROWS of the highest priority, weight over a uniform draw.

    A row stands for max(1, bound / weight) stretches, where the bound is the highest priority let go so far.
    """

    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    rows: int = ROWS
    hours: float = 0.0
    _kept: list[tuple[float, int, _Row]] = field(default_factory=list)
    _bound: float = 0.0
    _offered: int = 0

    def listen(self, hops: int) -> None:
        """Take note of time that passed, whether or not there was anything to hear."""
        self.hours += hops * HOP_S / 3_600.0

    def offer(self, moment: Moment) -> None:
        """Keep the moment, or let it or another one go."""
        weight = moment.weight
        priority = weight / (1.0 - float(self.rng.random()))
        self._offered += 1
        entry = (priority, self._offered, _Row(moment, weight))
        if len(self._kept) < self.rows:
            heapq.heappush(self._kept, entry)
        else:
            self._bound = max(self._bound, heapq.heappushpop(self._kept, entry)[0])

    def ambience(self, dim: int) -> Ambience:
        """Return what the sample holds now."""
        rows = [row for _, _, row in sorted(self._kept, key=lambda entry: entry[2].moment.at_s)]
        if not rows:
            return nothing_heard(dim, self.hours)
        return Ambience(
            embeddings=np.stack([row.moment.embedding for row in rows]).astype(np.float32),
            stands_for=np.array([max(1.0, self._bound / row.weight) for row in rows], np.float32),
            weight=np.array([row.weight for row in rows], np.float32),
            at_s=np.array([row.moment.at_s for row in rows]),
            taken_for=tuple(row.moment.taken_for for row in rows),
            hours=self.hours,
        )

    def restore(self, saved: Ambience) -> None:
        """Go on from what was saved, as if there had been no pause."""
        self.hours = saved.hours
        thinned = saved.stands_for > 1.0
        self._bound = float((saved.stands_for * saved.weight)[thinned].max(initial=0.0))
        for row in range(len(saved)):
            weight = float(saved.weight[row])
            moment = Moment(
                embedding=saved.embeddings[row],
                over_floor_db=0.0,
                nearness=0.0,
                taken_for=saved.taken_for[row],
                at_s=float(saved.at_s[row]),
            )
            # It was kept, so its priority lay above the bound: a draw from what is left of the tail.
            priority = max(weight, self._bound) / (1.0 - float(self.rng.random()))
            self._offered += 1
            heapq.heappush(self._kept, (priority, self._offered, _Row(moment, weight)))


def write_ambience(path: Path, ambience: Ambience, encoder: EncoderId) -> None:
    """Write one npz, whole or not at all. Raises OSError as the file system does."""
    write_arrays(
        path,
        {
            "encoder": np.frombuffer(str(encoder).encode(), dtype=np.uint8),
            "embeddings": ambience.embeddings.astype(np.float16),
            "stands_for": ambience.stands_for,
            "weight": ambience.weight,
            "at_s": ambience.at_s,
            "taken_for": np.array(ambience.taken_for, dtype=np.str_),
            "hours": np.array(ambience.hours, dtype=np.float64),
        },
    )
    # What a home sounds like concerns nobody but the daemon.
    path.chmod(0o600)


def read_ambience(path: Path, encoder: EncoderId) -> Ambience | None:
    """Read what `write_ambience` wrote; None where it was heard by another encoder.

    Raises ProfileError when the file is missing or damaged.
    """
    arrays = read_arrays(path)
    name = bytes(arrays.get("encoder", np.zeros(0, np.uint8)).astype(np.uint8)).decode("utf-8", "replace")
    if name != str(encoder):
        return None
    embeddings = floats(arrays, "embeddings", (None, encoder.dim), path)
    rows = len(embeddings)
    at_s = arrays.get("at_s")
    if at_s is None or at_s.shape != (rows,) or at_s.dtype != np.float64:
        raise bad_file(path, "has no times that fit")
    return Ambience(
        embeddings=embeddings,
        stands_for=floats(arrays, "stands_for", (rows,), path),
        weight=floats(arrays, "weight", (rows,), path),
        at_s=np.asarray(at_s, dtype=np.float64),
        taken_for=_names(arrays, rows, path),
        hours=float(floats(arrays, "hours", (), path)),
    )


def _names(arrays: Arrays, rows: int, path: Path) -> tuple[str, ...]:
    names = arrays.get("taken_for")
    if names is None or names.shape != (rows,) or names.dtype.kind != "U":
        raise bad_file(path, "has no names that fit")
    return tuple(str(name) for name in names)
