"""What the owner has called wrong is no longer heard, nor what is nearer to it than to the examples.

The head stays as it is: it goes on deciding everywhere else as it did before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.calibration import logit

if TYPE_CHECKING:
    from fewshot_profiles.profile import Profile

VETOED_LOGIT = -20.0
"""As good as never: a score of two in a thousand million."""

NEARER = 0.1
"""By so much, in cosine, a hop has to be more like a marked one than like any of the examples. Found, as
REACH, on the training side: less costs recall, more lets the same sound through in another mixture."""

REACH = 0.5
"""Within so much of the way from a marked hop to the example nearest to it, a hop is that marked sound."""

COUNTS_FROM = 1.0
"""Hops of a wrong event that lie further than this, in logits, under the threshold did not make it one."""

MOST_LIFTED = 2.0
"""So many times the spread of ordinary background may a score stand out of its stream's past."""

_WORTH_A_LOOK = 0.01
_OF_THRESHOLD = 0.25
_SAME = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Veto:
    """The marked hops of one profile, and how far each reaches."""

    wrong: NDArray[np.float32]
    """[m, dim]"""
    own: NDArray[np.float32]
    """[p, dim], the examples"""
    least_cosine: NDArray[np.float32]
    """[m], from here on a hop is that marked one, whatever examples are near"""
    from_score: float
    """Hops that score less do nothing, and are not asked about."""

    def stops(self, embeddings: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell for each embedding [n, dim] whether it is a sound that was marked wrong."""
        alike = embeddings @ self.wrong.T
        nearest_own = (embeddings @ self.own.T).max(axis=1)
        return np.asarray(
            (alike.max(axis=1) > nearest_own + NEARER) | (alike >= self.least_cosine).any(axis=1)
        )


def veto_of(profile: Profile) -> Veto | None:
    """Return the veto of what the owner has marked wrong; None where nothing was."""
    marked = profile.embedded.negatives
    if not len(marked):
        return None
    over = profile.detector.head.logits(marked) >= _made_an_event_from(profile)
    wrong, own = marked[over], profile.embedded.positives
    if not len(wrong) or not len(own):
        return None
    nearest = (wrong @ own.T).max(axis=1)
    return Veto(
        wrong=wrong,
        own=own,
        # Bytes on disk are halves: an embedding is not quite as long as it was.
        least_cosine=np.minimum(1.0 - REACH * (1.0 - nearest), _SAME).astype(np.float32),
        from_score=min(_WORTH_A_LOOK, _OF_THRESHOLD * profile.threshold),
    )


def _made_an_event_from(profile: Profile) -> float:
    rest = profile.detector.rest
    # Out of the quiet a hop scores more than its head gives it alone.
    lifted = 0.0 if rest is None else MOST_LIFTED * rest.spread
    return logit(profile.threshold) - COUNTS_FROM - lifted


def logits_of(profile: Profile, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits [n] that a profile gives to embeddings [n, dim], what was marked wrong apart."""
    logits = profile.detector.head.logits(embeddings)
    veto = veto_of(profile)
    if veto is not None:
        asked = np.flatnonzero(logits >= logit(veto.from_score))
        if len(asked):
            logits[asked[veto.stops(embeddings[asked])]] = VETOED_LOGIT
    return logits
