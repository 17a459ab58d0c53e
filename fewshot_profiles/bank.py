"""The background bank: what a home sounds like when none of the profiles' sounds is there.

Heads are fitted against it and thresholds calibrated on it. It ships as one file of embeddings a hop each;
`background.yaml` beside it names every recording it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import EncoderId
from fewshot_profiles.arrays import bad_file, floats, read_arrays, write_arrays
from fewshot_profiles.heads import Scaling

BLOCK_HOPS = 8
"""One row stands for this many hops, 0.64 s: the loudest of them."""

_QUANTISED = 127.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundBank:
    """Embeddings of background, in order of time within each recording."""

    encoder: str
    """`str(EncoderId)`"""
    embeddings: NDArray[np.float32]
    """[rows, dim]"""
    recording: NDArray[np.int32]
    """[rows], which recording each row is from: rows of one recording stay on one side of a split"""
    ambient: NDArray[np.bool_]
    """[rows], whether the row is a piece of ordinary hours (for rates), or a sound chosen for being hard"""
    scaling: Scaling
    hours: float
    """How much sound the ambient rows stand for."""

    def where(self, keep: NDArray[np.bool_]) -> BackgroundBank:
        """Return the chosen rows, and the part of the hours that they stand for."""
        return replace(
            self,
            embeddings=self.embeddings[keep],
            recording=self.recording[keep],
            ambient=self.ambient[keep],
            hours=self.hours * float(self.ambient[keep].sum()) / float(self.ambient.sum()),
        )

    def write(self, path: Path) -> None:
        """Write one npz: the embeddings as bytes, scaled for each dimension."""
        scale = np.abs(self.embeddings).max(axis=0) / _QUANTISED + 1e-12
        write_arrays(
            path,
            {
                "encoder": np.frombuffer(self.encoder.encode(), dtype=np.uint8),
                "embeddings": np.rint(self.embeddings / scale).astype(np.int8),
                "scale": scale.astype(np.float32),
                "recording": self.recording.astype(np.int16),
                "ambient": self.ambient.astype(np.uint8),
                "mean": self.scaling.mean,
                "spread": self.scaling.spread,
                "hours": np.array(self.hours, dtype=np.float32),
            },
        )


def read_bank(path: Path, encoder: EncoderId) -> BackgroundBank:
    """Read a bank. Raises ProfileError when it is damaged or was made with another encoder."""
    arrays = read_arrays(path)
    name = bytes(arrays.get("encoder", np.zeros(0, np.uint8)).astype(np.uint8)).decode("utf-8", "replace")
    if name != str(encoder):
        raise bad_file(
            path, f"was made with encoder {name!r}, this is {encoder}; make it again for this encoder"
        )
    dim = encoder.dim
    embeddings = floats(arrays, "embeddings", (None, dim), path) * floats(arrays, "scale", (dim,), path)
    rows = len(embeddings)
    return BackgroundBank(
        encoder=name,
        embeddings=embeddings,
        recording=floats(arrays, "recording", (rows,), path).astype(np.int32),
        ambient=floats(arrays, "ambient", (rows,), path) > 0,
        scaling=Scaling(
            mean=floats(arrays, "mean", (dim,), path), spread=floats(arrays, "spread", (dim,), path)
        ),
        hours=float(floats(arrays, "hours", (), path)),
    )
