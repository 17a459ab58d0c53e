"""Full audio models: they are shown clips and words, and answer in words.

The port is `AudioModel`. Three families live here, each in a package of its own (`mimo`, `kimi`,
`mini_omni`); what more than one of them needs stands beside them. Importing this module, `opening` or
`memory_plan` imports neither torch nor transformers, so the listening daemon may; it reaches a model only
through a process of its own.

What a family provides, so that `opening` finds it (all of it importable without torch):

- `recognises(config) -> bool`: is this folder's configuration of this family?
- `memory_parts(config) -> tuple[MemoryPart, ...]`: its size by part, from the configuration alone;
- `open_model(folder, load) -> AudioModel`: imports torch inside, checks the whole inventory of tensors
  (`checkpoint.check_inventory`), then reads only the parts that `load` asks for (`checkpoint.fill`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.types import Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A piece of audio that a model is shown, or speech that it says."""

    samples: Samples
    """Mono, float32 [n], at any rate: a model resamples to its own."""
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """How long the clip lasts."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the model is made to have answered up to here: one example of a few-shot prompt ends with it."""

    text: str


Part = str | Clip | Reply
Prompt = Sequence[Part]
"""Words and clips in the order in which they are shown. `Reply` parts divide a prompt into turns: what stands
before one is an example's question, what stands after the last one is the question to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOptions:
    """How to answer."""

    max_tokens: int = 128
    thinking: bool = False
    """Let a model that can think before it answers; `ask` and `stream` then give its thoughts as well."""

    temperature: float = 0.0
    """0: always the likeliest token."""
    top_k: int = 0
    """0: any."""
    top_p: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a model was made for."""

    understanding: bool
    """Sounds other than speech."""
    few_shot: bool
    """`Reply` parts: examples in the prompt."""
    thinking: bool
    speech_output: bool
    """It is a `SpeakingModel`, and its speech parts are loaded."""
    instructions: bool
    """`str` parts beside a clip; where False, a clip is all that can be shown."""
    max_positions: int
    """The longest prompt with its answer, in the model's own positions."""


class AudioModel(Protocol):
    """Answers about clips. Not thread-safe: one caller at a time."""

    @property
    def name(self) -> str:
        """What the model's makers call it."""

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""

    def ask(self, prompt: Prompt, options: AskOptions) -> str:
        """Return the whole answer: the concatenation of what `stream` yields.

        Raises PromptError where the prompt is more than the model can take.
        """

    def stream(self, prompt: Prompt, options: AskOptions) -> Iterator[str]:
        """Yield the answer piece by piece as it comes; closing the iterator ends the work at once."""

    def score(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each choice is as the whole answer to each prompt, without generating anything.

        Args:
            prompts: any number, worked through in one batch.
            choices: the same for all prompts.

        Returns:
            Natural logarithms of probabilities [prompts, choices], each the sum over the choice's tokens and
            the end of the answer: so "car" does not always beat "car horn". Not normalised over the choices.
        """


class SpeakingModel(AudioModel, Protocol):
    """A model whose answer can be heard."""

    def speak(self, prompt: Prompt, options: AskOptions) -> Iterator[str | Clip]:
        """Yield pieces of the answer's text and sound as they come; closing the iterator ends the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How much of a model to load, and how."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    """What the weights are turned into, and computed in."""
    weights: Literal["full", "int8", "int4"] = "full"
    """Weight-only quantisation of what a family's `memory_parts` calls quantisable; `full` also means what a
    packed folder has."""
    speech: bool = False
    """Load what speech output needs as well."""
    threads: int = 1
    memory_bytes: int | None = None
    """Hold at most this, and read the rest from disk for each use: a packed folder alone can. None: all."""
    companions: Mapping[str, Path] = field(default_factory=dict)
    """Folders published apart from the model's own, by published name; default: beside the model's folder."""
