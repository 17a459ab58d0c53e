"""Encoders turn hops of audio into embeddings. One port, many streams in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.types import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderId:
    """Which numbers an embedding belongs to: embeddings of different ids never mix."""

    name: str
    sha256: str
    dim: int

    def __str__(self) -> str:
        return f"{self.name}-{self.sha256[:12]}"


class Encoder(Protocol):
    """Advances any number of streams by one hop each, in one call."""

    @property
    def id(self) -> EncoderId:
        """The identity that profiles store with their numbers."""

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream that has heard nothing yet, float32 [state]."""

    def step(
        self, states: NDArray[np.float32], hops: Samples
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance each stream by one hop.

        Args:
            states: float32 [streams, state], one row per stream.
            hops: float32 [streams, HOP_SAMPLES] at DETECTION_RATE_HZ.

        Returns:
            The new states [streams, state] and the embeddings, unit vectors float32 [streams, dim]. An
            encoder that cannot afford each hop repeats its last embedding in between; its state counts.
        """
