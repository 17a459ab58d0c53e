"""What a model needs, part by part, before anything of it is loaded: arithmetic on its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.audio_models import LoadOptions
from foundation.errors import ModelError

GROUP = 64
"""Weights that share one scale and one offset at int4."""

LIBRARIES_BYTES = 450_000_000
"""A process with torch and transformers that has answered once, without its weights: 441 MB measured."""

PIECES_AT_ONCE = 3
"""Of a part that is read piece by piece: the one in use, the one that is being read, the one that goes."""

_BYTES = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0, "int4": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPart:
    """One part of a model, loaded or left out as a whole."""

    name: str
    parameters: int
    needed_for: Literal["text", "speech"]
    """`speech`: left out unless speech output is wanted."""
    quantised_parameters: int = 0
    """How many of them are matrices that `weights: int8` or `int4` shrinks."""
    quantised_rows: int = 0
    """Output rows of those matrices: int8 keeps one scale for each."""
    fewest_bits: Literal["int8", "int4"] = "int4"
    """`int8`: at `weights: int4` it is int8 all the same."""
    pieces: int = 1
    """Into how many it falls that work one after the other: out of a packed folder, not all need be held."""
    for_each_token: bool = False
    """All of it is read for each token of an answer."""
    always_float32: bool = False
    """Kept in float32 whatever the rest is (codebooks, encoders that lose their codes in bfloat16)."""


def part_bytes(part: MemoryPart, load: LoadOptions) -> int:
    """Return what a part's weights take in memory, 0 if `load` leaves it out."""
    if part.needed_for == "speech" and not load.speech:
        return 0
    plain = 4.0 if part.always_float32 else _BYTES[load.dtype]
    if load.weights == "full":
        return round(part.parameters * plain)
    bits = "int8" if part.fewest_bits == "int8" else load.weights
    shrunk, scale = part.quantised_parameters, _BYTES[load.dtype]
    per_matrix = part.quantised_rows if bits == "int8" else shrunk / GROUP * 2
    return round((part.parameters - shrunk) * plain + shrunk * _BYTES[bits] + per_matrix * scale)


def total_bytes(parts: Sequence[MemoryPart], load: LoadOptions) -> int:
    """Return what all parts together take."""
    return sum(part_bytes(part, load) for part in parts)


def least_bytes(parts: Sequence[MemoryPart], load: LoadOptions) -> int:
    """Return what all parts together take where what falls into pieces is read for each use."""
    return sum(part_bytes(part, load) * min(part.pieces, PIECES_AT_ONCE) // part.pieces for part in parts)


def kept_pieces(parts: Sequence[MemoryPart], load: LoadOptions) -> Mapping[str, int]:
    """Return how many pieces of each part can stay, of those that fall into pieces: all without a limit.

    What the limit leaves goes to the parts in their order. Raises ModelError where it is too little for any.
    """
    limit = load.memory_bytes
    cut = [part for part in parts if part.pieces > 1]
    if limit is None or LIBRARIES_BYTES + total_bytes(parts, load) <= limit:
        return {part.name: part.pieces for part in cut}
    spare = limit - LIBRARIES_BYTES - least_bytes(parts, load)
    if spare < 0:
        raise ModelError(
            f"{limit / 1e9:.1f} GB are too little: {(limit - spare) / 1e9:.1f} GB are the least that it "
            "works in"
        )
    kept = {}
    for part in cut:
        each = part_bytes(part, load) / part.pieces
        count = min(int(spare / each), part.pieces) if each else part.pieces
        kept[part.name] = count
        spare -= round(count * each)
    return kept
