"""Speech in the car against speech outside: two profiles of cues, which compete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.cabin_cues import cue_id
from fewshot_profiles.folder import read_profile
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.profile import Profile

CABIN_FOLDER = Path(__file__).with_name("stock_cabin")
INSIDE, OUTSIDE = "in_cabin_speech", "outside_speech"
CABIN_PROFILES = (INSIDE, OUTSIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinMatcher:
    """Scores the cues of one stream. The profiles are an exclusive group: only the likelier one scores."""

    matcher: Matcher

    def score(self, cues: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return how probable the profiles are, float32 [2], for cues [dim]; one of the two is 0."""
        scores: NDArray[np.float32] = self.matcher.score(cues[None])[0]
        scores[np.argmin(scores)] = 0.0
        return scores


def read_cabin(folders: Sequence[Path], microphones: int) -> tuple[Profile, ...]:
    """Read both profiles from the last folder that has them. Raises ProfileError."""
    found: dict[str, Profile] = {}
    for folder in folders:
        for name in CABIN_PROFILES:
            if (folder / name).is_dir():
                found[name] = read_profile(folder / name, cue_id(microphones))
    return tuple(found[name] for name in CABIN_PROFILES)


def cabin_matchers(folders: Sequence[Path]) -> Mapping[int, CabinMatcher]:
    """Return the matchers by number of microphones, 1 or 2. Raises ProfileError."""
    return {
        microphones: CabinMatcher(matcher=Matcher(read_cabin(folders, microphones))) for microphones in (1, 2)
    }
