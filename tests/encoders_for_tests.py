"""A real encoder without weights, and profiles that it can tell apart: enough to run the whole chain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detectors.dsp import FRAMES_PER_HOP, MEL_OVERLAP_SAMPLES, N_MELS, log_mel
from detectors.encoders import Encoder, EncoderId
from detectors.types import HOP_SAMPLES, Samples
from fewshot_profiles.heads import Scaling, fit_head
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.profile import Detector, Embedded, Kind, Profile, Rest

_KEEP = 0.5
"""How much of the past each hop keeps: the memory is about a quarter of a second."""


class LogMelEncoder:
    """Implements `Encoder`: mean and spread of log-mel frames over the last moments, as one unit vector."""

    @property
    def id(self) -> EncoderId:
        """The identity that profiles store with their numbers."""
        return EncoderId(name="log-mel-statistics", sha256="0" * 64, dim=2 * N_MELS)

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream that has heard nothing yet."""
        return np.zeros(MEL_OVERLAP_SAMPLES + 2 * N_MELS, np.float32)

    def step(
        self, states: NDArray[np.float32], hops: Samples
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance each stream by one hop; see `Encoder.step`."""
        audio = np.concatenate((states[:, :MEL_OVERLAP_SAMPLES], hops), axis=1)
        picture = log_mel(audio)
        assert picture.shape[1] == FRAMES_PER_HOP
        now = np.concatenate((picture.mean(axis=1), picture.std(axis=1)), axis=1)
        memory = np.float32(_KEEP) * states[:, MEL_OVERLAP_SAMPLES:] + np.float32(1.0 - _KEEP) * now
        norm = np.linalg.norm(memory, axis=1, keepdims=True)
        after = np.concatenate((audio[:, -MEL_OVERLAP_SAMPLES:], memory), axis=1).astype(np.float32)
        return after, (memory / np.maximum(norm, 1e-6)).astype(np.float32)


def embed(encoder: Encoder, samples: Samples) -> NDArray[np.float32]:
    """Return the embedding of every whole hop of 16 kHz audio: [hops, dim]."""
    state = encoder.initial_state()[None]
    embeddings = []
    for at in range(0, len(samples) - HOP_SAMPLES + 1, HOP_SAMPLES):
        state, embedding = encoder.step(state, samples[None, at : at + HOP_SAMPLES])
        embeddings.append(embedding[0])
    return np.array(embeddings, np.float32)


def taught(
    encoder: Encoder, sounds: Mapping[str, tuple[Kind, NDArray[np.float32]]], background: NDArray[np.float32]
) -> Matcher:
    """Fit a profile for each name from the embeddings of its hops, against the background and each other.

    Impulses are heard against their stream's past, as taught profiles are; the others as ready-made ones.
    """
    everything = np.concatenate([background, *(hops for _, hops in sounds.values())])
    scaling = Scaling.of(everything)
    profiles = []
    for name, (kind, positives) in sounds.items():
        others = np.concatenate([background, *(hops for other, (_, hops) in sounds.items() if other != name)])
        head = fit_head(positives, np.ones(len(positives), np.float32), others, scaling)
        at_rest = head.logits(background)
        detector = Detector(
            encoder=str(encoder.id),
            head=head,
            threshold=0.7,
            rest=Rest(mean=float(at_rest.mean()), spread=float(at_rest.std())) if kind == "impulse" else None,
        )
        profiles.append(_profile(name, kind, detector))
    return Matcher(profiles)


def _profile(name: str, kind: Kind, detector: Detector) -> Profile:
    nothing = np.zeros((0, len(detector.head.weights)), np.float32)
    return Profile(
        name=name,
        description=f"{name}, for the tests",
        tags=(),
        kind=kind,
        threshold_override=None,
        examples=(),
        embedded=Embedded(positives=nothing, positive_example=np.zeros(0, np.int32), negatives=nothing),
        detector=detector,
    )
