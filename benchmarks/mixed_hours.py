"""Hours of places that are not there: pairs of recordings at many levels, in many rooms, embedded once.

What they rest on is said beside every figure: minutes of different recordings are not made more by mixing.
The embeddings are kept in `benchmarks/results/mixed_hours`, by encoder, seed and length.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.mixtures import mono
from benchmarks.report import RESULTS, progress
from detectors.types import DETECTION_RATE_HZ, HOP_S, HOP_SAMPLES
from fewshot_profiles.embedding import embed_framed, frame_clip
from training.stock_hours import PIECE_S, mixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder

PIECES_AT_ONCE = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedHours:
    """Embedded pieces of PIECE_S."""

    hops: NDArray[np.float16]
    """[pieces, hops, dim]"""
    level_dbfs: NDArray[np.float32]
    """[pieces, hops]"""
    may_contain: tuple[frozenset[str], ...]
    """For each piece the profiles whose sounds it may really hold."""
    different_minutes: float
    """Of the recordings that were mixed."""

    @property
    def hours(self) -> float:
        """How long all pieces are."""
        return float(self.level_dbfs.size * HOP_S / 3_600.0)


def mixed_hours(rows: Sequence[Recording], encoder: Encoder, *, hours: float, seed: int) -> MixedHours:
    """Mix and embed so many hours of the rows of which somebody has judged what they may hold."""
    judged = sorted((row for row in rows if row.may_contain), key=lambda row: str(row.file))
    if not judged:
        raise SystemExit("none of these rows says what it may contain")
    pieces = round(hours * 3_600.0 / PIECE_S)
    pairs = [_pair(judged, np.random.default_rng((seed, number))) for number in range(pieces)]
    allowed = tuple(frozenset().union(*(row.may_contain | {row.profile} for row in pair)) for pair in pairs)
    recipe = json.dumps(
        [str(encoder.id), seed, pieces, PIECE_S, [row.columns["path"] for row in judged]]
    ).encode()
    file = RESULTS / "mixed_hours" / f"{hashlib.sha256(recipe).hexdigest()[:16]}.npz"
    if file.is_file():
        with np.load(file) as kept:
            hops, level_dbfs = kept["hops"], kept["level_dbfs"]
    else:
        hops, level_dbfs = _embedded(pairs, encoder, seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, hops=hops, level_dbfs=level_dbfs)
    minutes = sum(len(mono(row)) for row in judged) / DETECTION_RATE_HZ / 60.0
    return MixedHours(hops=hops, level_dbfs=level_dbfs, may_contain=allowed, different_minutes=minutes)


def _pair(rows: Sequence[Recording], rng: np.random.Generator) -> tuple[Recording, Recording]:
    first, second = rng.choice(len(rows), 2, replace=False)
    return rows[int(first)], rows[int(second)]


def _embedded(
    pairs: Sequence[tuple[Recording, Recording]], encoder: Encoder, seed: int
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    count = int(PIECE_S * DETECTION_RATE_HZ) // HOP_SAMPLES
    hops = np.zeros((len(pairs), count, encoder.id.dim), np.float16)
    levels = np.zeros((len(pairs), count), np.float32)
    for first in progress(range(0, len(pairs), PIECES_AT_ONCE), "Embedding mixed hours"):
        batch = pairs[first : first + PIECES_AT_ONCE]
        clips = [
            frame_clip(
                mixed(mono(pair[0]), mono(pair[1]), np.random.default_rng((seed, first + at, 1))),
                DETECTION_RATE_HZ,
            )
            for at, pair in enumerate(batch)
        ]
        for at, clip in enumerate(embed_framed(encoder, clips), start=first):
            hops[at], levels[at] = clip.hops[:count], clip.level_dbfs[:count]
    return hops, levels
