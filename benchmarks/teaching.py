"""Teaching a profile for a benchmark: which clips are the examples, which are asked about, the enrolment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fewshot_profiles.enrollment import FALSE_ALARMS_PER_HOUR, Teaching, enroll
from foundation.errors import ExampleError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder
    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.profile import Profile


class TooFewTakes(Exception):
    """There are not enough recordings of a sound to teach some of it and ask about the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A profile as an owner would have taught it, and the clips that it has not met."""

    profile: Profile
    examples: tuple[Recording, ...]
    refused: tuple[Recording, ...]
    """Examples that enrolment refused; others took their place, as its message asks for."""
    others: tuple[Recording, ...]
    """Clips of the sound from takes that neither taught nor were refused."""


def teach(
    clips: Sequence[Recording],
    shots: int,
    rng: np.random.Generator,
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR,
) -> Taught:
    """Enrol `shots` clips, each of another take. Raises TooFewTakes if nothing would be left to ask about."""
    takes = sorted({clip.take for clip in clips})
    of_take = {take: [clip for clip in clips if clip.take == take] for take in takes}
    waiting = [of_take[takes[at]] for at in rng.permutation(len(takes))]
    examples: list[Recording] = []
    refused: list[Recording] = []
    while True:
        while len(examples) < shots and waiting:
            take = waiting.pop()
            examples.append(take[int(rng.integers(len(take)))])
        if len(examples) < shots or not waiting:
            raise TooFewTakes(
                f"{len(takes)} takes of {clips[0].profile if clips else 'this sound'} are too few to teach "
                f"{shots} and ask about others ({len(refused)} were refused)"
            )
        try:
            result = enroll(
                Teaching(name=examples[0].profile, false_alarms_per_hour=false_alarms_per_hour),
                [example.file for example in examples],
                encoder=encoder,
                bank=bank,
            )
        except ExampleError as error:
            named = [example for example in examples if str(example.file) in str(error)] or examples
            refused += named
            examples = [example for example in examples if example not in named]
            continue
        return Taught(
            profile=result.profile,
            examples=tuple(examples),
            refused=tuple(refused),
            others=tuple(clip for take in waiting for clip in take),
        )
