"""The question that a full audio model is asked of everything it hears: which of the profiles is it?"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.audio_models import Clip, Reply
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.example_audio import read_example
from fewshot_profiles.folder import audio_files
from foundation.errors import ExampleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from detectors.audio_models import Prompt
    from fewshot_profiles.profile import Profile

SOMETHING_ELSE = "something else"
MAX_EXAMPLES = 16
"""In one prompt: each costs as much as the sound itself."""
EXAMPLE_S = 3.0
MARGIN_S = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questionnaire:
    """What is asked, with the profiles' own examples where their audio was kept."""

    names: tuple[str, ...]
    """Of profiles."""
    examples: tuple[tuple[Clip, str], ...]
    """What they sound like, each with its profile's name in words."""

    @property
    def choice_names(self) -> list[str | None]:
        """The profile behind each choice; None behind the last one."""
        return [*self.names, None]

    @property
    def choices(self) -> list[str]:
        """The answers: one for each name, and one for everything else."""
        return [*(_words(name) for name in self.names), SOMETHING_ELSE]

    @property
    def question(self) -> str:
        """What stands behind every clip."""
        return "Which one is this?"

    @property
    def introduction(self) -> str:
        """What stands before everything, once: it may be long."""
        return f"Sounds are shown, and each is one of these: {', '.join(self.choices)}."

    def prompt(self, clip: Clip, *, with_examples: bool) -> Prompt:
        """Return what the model is shown to judge `clip`."""
        shown: list[str | Clip | Reply] = [self.introduction]
        for example, answer in self.examples if with_examples else ():
            shown += [example, self.question, Reply(text=answer)]
        return [*shown, clip, self.question]

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn the model's scores of the choices, [clips, choices], into shares of 1 for each clip."""
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
        return shares


def questionnaire(profiles: Iterable[Profile], folders: Sequence[Path], *, each: int) -> Questionnaire:
    """Put the question together. Blocking: reads up to `each` examples of every profile from `folders`."""
    chosen = list(profiles)
    examples: list[tuple[Clip, str]] = []
    for profile in chosen:
        # An owner's profile takes the place of one of the same name, so the last folder that has it counts.
        kept = [files for folder in folders if (files := audio_files(folder / profile.name))]
        for path in kept[-1][:each] if kept else ():
            if len(examples) < MAX_EXAMPLES and (clip := _example(path)) is not None:
                examples.append((clip, _words(profile.name)))
    return Questionnaire(names=tuple(profile.name for profile in chosen), examples=tuple(examples))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _example(path: Path) -> Clip | None:
    try:
        example = read_example(path)
    except ExampleError as error:
        _log.warning("an example is not shown to the audio model: %s", error)
        return None
    loudest = max(example.regions, key=lambda region: region.peak_dbfs)
    start = max(0, loudest.start - round(MARGIN_S * DETECTION_RATE_HZ))
    end = min(loudest.end + round(MARGIN_S * DETECTION_RATE_HZ), start + round(EXAMPLE_S * DETECTION_RATE_HZ))
    return Clip(samples=np.ascontiguousarray(example.audio[start:end]), rate_hz=DETECTION_RATE_HZ)
