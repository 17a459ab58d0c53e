"""Fitting a profile's stored examples in what surrounds it: the bank, the other profiles, this home."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import Encoder, EncoderId
from fewshot_profiles.ambience import Ambience
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.correction import corrected
from fewshot_profiles.fitting import Fit, Positives, fit_detector
from fewshot_profiles.profile import Detector, Profile
from fewshot_profiles.report import hears


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
    """Fit the profile's stored examples as if they were taught now."""
    fit = fit_detector(
        positives_of(profile),
        _rivals_hops(profile, surroundings),
        surroundings.bank,
        profile.promise_per_hour,
        kind=profile.kind,
        home=None if surroundings.home is None else surroundings.home.not_taken_for(profile.name),
    )
    detector = Detector(encoder=str(surroundings.encoder_id), head=fit.head, threshold=fit.threshold)
    return with_negatives(replace(profile, detector=detector), surroundings.bank), fit


def with_negatives(profile: Profile, bank: BackgroundBank) -> Profile:
    """Return the profile with its head moved away from what the owner has called wrong."""
    if not len(profile.embedded.negatives):
        return profile
    missed = np.zeros((0, profile.embedded.negatives.shape[1]), np.float32)
    head = corrected(profile, wrong=profile.embedded.negatives, missed=missed, bank=bank)
    return replace(profile, detector=replace(profile.detector, head=head))


def _rivals_hops(profile: Profile, surroundings: Surroundings) -> NDArray[np.float32]:
    """Return the examples of the other profiles, without those that are the same sound by another name."""
    return np.concatenate(
        [
            no_rows(surroundings.encoder_id),
            *(
                rival.embedded.positives
                for rival in surroundings.others
                if rival.name != profile.name and not hears(rival, profile.embedded.positives, profile)
            ),
        ]
    )


def positives_of(profile: Profile) -> Positives:
    """Return the examples of a profile that can be fitted again."""
    embedded = profile.embedded
    assert embedded.variant is not None
    return Positives(hops=embedded.positives, example=embedded.positive_example, variant=embedded.variant)


def no_rows(encoder: EncoderId) -> NDArray[np.float32]:
    """Return no embeddings."""
    return np.zeros((0, encoder.dim), np.float32)
