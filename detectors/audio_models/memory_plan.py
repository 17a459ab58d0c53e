"""What a model needs, part by part, before anything of it is loaded: arithmetic on its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from detectors.audio_models import LoadOptions

GROUP = 64
"""Weights that share one scale and one offset at int4."""

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
    always_float32: bool = False
    """Kept in float32 whatever the rest is (codebooks, encoders that lose their codes in bfloat16)."""


def part_bytes(part: MemoryPart, load: LoadOptions) -> int:
    """Return what a part's weights take in memory, 0 if `load` leaves it out."""
    if part.needed_for == "speech" and not load.speech:
        return 0
    plain = 4.0 if part.always_float32 else _BYTES[load.dtype]
    if load.weights == "full":
        return round(part.parameters * plain)
    shrunk, scale = part.quantised_parameters, _BYTES[load.dtype]
    per_matrix = part.quantised_rows if load.weights == "int8" else shrunk / GROUP * 2
    return round((part.parameters - shrunk) * plain + shrunk * _BYTES[load.weights] + per_matrix * scale)


def total_bytes(parts: Sequence[MemoryPart], load: LoadOptions) -> int:
    """Return what all parts together take."""
    return sum(part_bytes(part, load) for part in parts)
