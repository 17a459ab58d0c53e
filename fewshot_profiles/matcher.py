"""All profiles against all streams: one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors import contrast
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
        rests = [
            (at, profile.detector.rest)
            for at, profile in enumerate(profiles)
            if profile.detector.rest is not None
        ]
        self._followed = np.array([at for at, _ in rests], dtype=np.int64)
        self._rest_mean = np.array([rest.mean for _, rest in rests], dtype=np.float32)
        self._rest_spread = np.array([rest.spread for _, rest in rests], dtype=np.float32)

    def score(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how probable each profile is, float32 [streams, profiles], for embeddings [streams, dim].

        That of streams that have heard nothing before.
        """
        return self.follow(embeddings, np.repeat(self.cold()[None], len(embeddings), axis=0))[1]

    def cold(self) -> NDArray[np.float32]:
        """Return what `follow` knows of a stream that has heard nothing yet."""
        return contrast.cold(len(self._followed))

    def follow(
        self, embeddings: NDArray[np.float32], pasts: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Take one hop of each stream: embeddings [streams, dim], and the stacked pasts of the streams.

        Returns their pasts after it, and how probable each profile is, float32 [streams, profiles].
        """
        if self._weights is None:
            return pasts, np.zeros((len(embeddings), 0), dtype=np.float32)
        logits = embeddings @ self._weights + self._biases
        if len(self._followed):
            heights = (logits[:, self._followed] - self._rest_mean) / self._rest_spread
            pasts, heights = contrast.follow(pasts, heights)
            logits[:, self._followed] = heights * self._rest_spread + self._rest_mean
        scores = sigmoid(logits).astype(np.float32)
        for number, veto in self._vetoes:
            asked = np.flatnonzero(scores[:, number] >= veto.from_score)
            if len(asked):
                scores[asked[veto.stops(embeddings[asked])], number] = 0.0
        return pasts, scores

    def carried_over(self, past: NDArray[np.float32], before: Matcher) -> NDArray[np.float32]:
        """Return a stream's past for these profiles, from what it was for those `before`."""
        places = {before.versions[at]: place for place, at in enumerate(before._followed.tolist())}
        return contrast.carried_over(
            past, np.array([places.get(self.versions[at], -1) for at in self._followed.tolist()], np.int64)
        )
