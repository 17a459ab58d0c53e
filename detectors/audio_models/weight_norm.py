"""Weights stored as direction and length, put together as they are read.

Beside SNAC (mini-omni) and BigVGAN (Kimi-Audio), published so: in torch's new spelling, and in its old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from detectors.audio_models.checkpoint import Shape, TensorSource
from foundation.errors import ModelError

_SPELLINGS = (
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ("weight_g", "weight_v"),
)
"""Length along the first dimension, then direction."""


class WholeWeights:
    """Another source, in which each such pair is one tensor `weight`."""

    def __init__(self, source: TensorSource) -> None:
        self._source = source
        self._pairs: dict[str, tuple[str, str]] = {}
        shapes: dict[str, Shape] = dict(source.shapes)
        for name in source.shapes:
            for length, direction in _SPELLINGS:
                stem = name.removesuffix(direction)
                if stem == name:
                    continue
                if stem + length not in shapes:
                    raise ModelError(
                        f"{source.place}: {stem}{length} is missing: cut short, or another model"
                    )
                self._check(source, stem + length, name)
                self._pairs[stem + "weight"] = (stem + length, name)
                shapes[stem + "weight"] = shapes.pop(name)
                del shapes[stem + length]
        self.shapes: Mapping[str, Shape] = shapes

    @staticmethod
    def _check(source: TensorSource, length: str, direction: str) -> None:
        rows, *rest = source.shapes[direction]
        if source.shapes[length] != (rows, *[1] * len(rest)):
            found = list(source.shapes[length])
            raise ModelError(f"{source.place}: {length} has shape {found}, which does not fit {direction}")

    @property
    def place(self) -> Path:
        """File or folder, for messages."""
        return self._source.place

    def read(self, name: str) -> Tensor:
        """Return one tensor; a weight is put together in float32."""
        if name not in self._pairs:
            return self._source.read(name)
        length, direction = (self._source.read(part).float() for part in self._pairs[name])
        norm = torch.linalg.vector_norm(direction.flatten(1), dim=1).view_as(length)
        whole: Tensor = direction * (length / norm)
        return whole
