"""Fitting a profile's stored examples in what surrounds it: the bank, the other profiles, this home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import Encoder, EncoderId
from fewshot_profiles.ambience import Ambience
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit
from fewshot_profiles.fitting import Fit, Positives, fit_detector
from fewshot_profiles.profile import Detector, Profile
from fewshot_profiles.report import hears

PRESENT = 0.05
"""A sound is in a recording where it is heard in so much of it; less may be a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a profile is fitted in: who listens, and what it must be told from."""

    encoder: Encoder
    bank: BackgroundBank
    others: tuple[Profile, ...] = ()
    home: Ambience | None = None
    """What this home sounds like by itself, where that is known."""

    @property
    def encoder_id(self) -> EncoderId:
        """Whose numbers everything here is in."""
        return self.encoder.id


def fit_again(profile: Profile, surroundings: Surroundings) -> tuple[Profile, Fit]:
    """Fit the profile's stored examples as if they were taught now.

    Profiles that are the same sound by another name are no rivals. What the bank holds of such a sound is no
    background, if the profile of it came ready-made: other people's babies say nothing against one's own.
    """
    alike = [other for other in surroundings.others if hears(other, profile.embedded.positives, profile)]
    rivals = [
        rival.embedded.positives
        for rival in surroundings.others
        if rival.name != profile.name and rival not in alike
    ]
    bank = _without(surroundings.bank, [other for other in alike if other.embedded.variant is None])
    fit = fit_detector(
        positives_of(profile),
        np.concatenate([no_rows(surroundings.encoder_id), *rivals]),
        bank,
        profile.promise_per_hour,
        kind=profile.kind,
        home=None if surroundings.home is None else surroundings.home.not_taken_for(profile.name),
    )
    detector = Detector(
        encoder=str(surroundings.encoder_id), head=fit.head, threshold=fit.threshold, rest=fit.rest
    )
    return replace(profile, detector=detector), fit


def _without(bank: BackgroundBank, sounds: Sequence[Profile]) -> BackgroundBank:
    """Return the bank without the recordings that hold one of these sounds."""
    for sound in sounds:
        over = sound.detector.head.logits(bank.embeddings) >= logit(sound.threshold)
        share = np.bincount(bank.recording, over) / np.maximum(np.bincount(bank.recording), 1)
        kept = share[bank.recording] < PRESENT
        if bank.ambient[kept].any():
            bank = bank.where(kept)
    return bank


def positives_of(profile: Profile) -> Positives:
    """Return the examples of a profile that can be fitted again."""
    embedded = profile.embedded
    assert embedded.variant is not None
    return Positives(hops=embedded.positives, example=embedded.positive_example, variant=embedded.variant)


def no_rows(encoder: EncoderId) -> NDArray[np.float32]:
    """Return no embeddings."""
    return np.zeros((0, encoder.dim), np.float32)
