"""Sounds taught as an owner would, with the report that came of it, and clips that were not met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.encoders import HELP
from benchmarks.mixtures import events_of
from benchmarks.report import arguments, progress
from benchmarks.teaching import TooFewTakes, teach
from fewshot_profiles.enrollment import EnrollmentResult, Teaching, enroll
from fewshot_profiles.example_audio import ExampleAudio, read_example
from fewshot_profiles.example_embedding import embed_examples
from fewshot_profiles.veto import logits_of
from foundation.errors import ExampleError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder
    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.fitting import Positives
    from fewshot_profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class TaughtSound:
    """One sound, taught once."""

    sound: str
    draw: int
    result: EnrollmentResult
    others: Positives
    """Clips from takes that did not teach"""

    @property
    def profile(self) -> Profile:
        """The profile that came of it."""
        return self.result.profile

    def peaks(self, profile: Profile | None = None) -> NDArray[np.float32]:
        """Return for each clip that it has not met the logit that the segmenter would act on."""
        profile = profile or self.profile
        logits = logits_of(profile, self.others.hops)
        return np.array([takes[0] for takes in self.others.peaks(logits, profile.kind)], np.float32)


def taught_arguments(
    module: str,
    description: str,
    profiles: Sequence[str],
    *,
    draws: int | None = 2,
    hours: float | None = 10.0,
) -> argparse.ArgumentParser:
    """Return a parser with the options of benchmarks that teach; None leaves an option out."""
    parser = arguments(module, description)
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument(
        "--profile", action="append", help=f"sound to teach, several times (default: {' '.join(profiles)})"
    )
    parser.add_argument("--shots", type=int, default=5, help="examples that teach")
    if draws is not None:
        parser.add_argument("--draws", type=int, default=draws, help="of examples")
    if hours is not None:
        parser.add_argument("--hours", type=float, default=hours, help="of mixed places")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def taught_sounds(  # noqa: PLR0913 - what is taught, from what, and how often
    rows: Sequence[Recording],
    sounds: Sequence[str],
    *,
    encoder: Encoder,
    bank: BackgroundBank,
    stock: Sequence[Profile] = (),
    shots: int = 5,
    draws: int = 2,
    seed: int = 0,
    per_hour: float,
) -> Iterator[TaughtSound]:
    """Teach every sound as often as asked; leave out those of which there are too few takes."""
    wanted = [(sound, draw) for sound in sounds for draw in range(draws)]
    for sound, draw in progress(wanted, "Teaching"):
        rng = np.random.default_rng((seed, draw))
        try:
            taught = teach(events_of(rows, sound), shots, rng, encoder=encoder, bank=bank, stock=stock)
        except TooFewTakes:
            continue
        result = enroll(
            Teaching(name=sound, false_alarms_per_hour=per_hour),
            [example.file for example in taught.examples],
            encoder=encoder,
            bank=bank,
            others=stock,
        )
        others = list(_readable(taught.others))
        if others:
            yield TaughtSound(sound=sound, draw=draw, result=result, others=embed_examples(encoder, others))


def _readable(recordings: Sequence[Recording]) -> Iterator[ExampleAudio]:
    for recording in recordings:
        try:
            yield read_example(recording.file)
        except ExampleError:
            continue
