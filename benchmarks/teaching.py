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


PAIR = 2


class TooFewTakes(Exception):
    """There are not enough recordings of a sound to teach some of it and ask about the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A profile as an owner would have taught it, and the clips that it has not met."""

    profile: Profile
    examples: tuple[Recording, ...]
    refused: tuple[Recording, ...]
    """Examples that enrolment refused: they taught nothing, and may be asked about"""
    others: tuple[Recording, ...]
    """Clips of the sound from takes that taught nothing"""


def teach(
    clips: Sequence[Recording],
    shots: int,
    rng: np.random.Generator,
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    stock: Sequence[Profile] = (),
    false_alarms_per_hour: float = FALSE_ALARMS_PER_HOUR,
) -> Taught:
    """Enrol `shots` clips, each of another take, in the company of stock profiles.

    Raises TooFewTakes if nothing would be left to ask about. An example that is refused is replaced, as its
    message asks for; but nobody goes on recording for ever: after `shots` replacements, those that are left
    have to do, two at least.
    """
    of_take: dict[str, list[Recording]] = {}
    for clip in clips:
        of_take.setdefault(clip.take, []).append(clip)
    order = [of_take[take] for take in rng.permutation(sorted(of_take))]
    if len(order) <= shots:
        raise TooFewTakes(
            f"{len(order)} takes of {clips[0].profile if clips else 'this sound'} are too few to teach "
            f"{shots} and ask about others"
        )
    drawn = [take[int(rng.integers(len(take)))] for take in order[: 2 * shots]]
    examples, spare = drawn[:shots], drawn[shots:]
    refused: list[Recording] = []
    while examples:
        try:
            result = enroll(
                Teaching(name=examples[0].profile, false_alarms_per_hour=false_alarms_per_hour),
                [example.file for example in examples],
                encoder=encoder,
                bank=bank,
                others=stock,
            )
        except ExampleError as error:
            named = [example for example in examples if str(example.file) in str(error)] or examples
            refused += named
            kept = [example for example in examples if example not in named]
            needed = shots - len(kept)
            kept, spare = kept + spare[:needed], spare[needed:]
            # Of two, neither is the odd one out: so few are refused for other faults only.
            examples = kept if len(kept) >= PAIR or len(examples) <= PAIR else examples[:PAIR]
            continue
        met = {example.take for example in examples}
        return Taught(
            profile=result.profile,
            examples=tuple(examples),
            refused=tuple(refused),
            others=tuple(clip for clip in clips if clip.take not in met),
        )
    raise TooFewTakes(f"enrolment refused all {len(refused)} examples of {clips[0].profile}")
