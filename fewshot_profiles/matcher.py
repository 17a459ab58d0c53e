"""All profiles against all streams: one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.calibration import sigmoid
from fewshot_profiles.profile import Kind, Profile
from fewshot_profiles.veto import veto_of


class Matcher:
    """Scores embeddings against a fixed tuple of profiles. Calibration is folded into weights and biases."""

    def __init__(self, profiles: Sequence[Profile]) -> None:
        names = tuple(profile.name for profile in profiles)
        if len(set(names)) != len(names):
            raise ValueError(f"profile names must differ: {', '.join(names)}")
        if len({profile.detector.encoder for profile in profiles}) > 1:
            raise ValueError("profiles of one matcher must share an encoder")
        self.profiles = tuple(profiles)
        self.names = names
        self.kinds: tuple[Kind, ...] = tuple(profile.kind for profile in profiles)
        self.versions: tuple[str, ...] = tuple(profile.version for profile in profiles)
        self.thresholds: NDArray[np.float32] = np.array(
            [profile.threshold for profile in profiles], dtype=np.float32
        )
        """[profiles]"""
        heads = [profile.detector.head for profile in profiles]
        self._weights = np.stack([head.weights for head in heads], axis=1) if heads else None
        self._biases = np.array([head.bias for head in heads], dtype=np.float32)
        vetoes = [(number, veto_of(profile)) for number, profile in enumerate(profiles)]
        self._vetoes = [(number, veto) for number, veto in vetoes if veto is not None]

    def score(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how probable each profile is, float32 [streams, profiles], for embeddings [streams, dim]."""
        if self._weights is None:
            return np.zeros((len(embeddings), 0), dtype=np.float32)
        scores = sigmoid(embeddings @ self._weights + self._biases).astype(np.float32)
        for number, veto in self._vetoes:
            asked = np.flatnonzero(scores[:, number] >= veto.from_score)
            if len(asked):
                scores[asked[veto.stops(embeddings[asked])], number] = 0.0
        return scores
