"""mini-omni's special tokens, and the prompts that are made of them: eight streams side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from detectors.audio_models.mini_omni.config import RESERVED, STREAMS, MiniOmniConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Where the special tokens lie. Audio tokens are local to their stream until `shared` moves them."""

    text_base: int
    audio_base: int
    text_vocabulary: int
    audio_vocabulary: int

    @classmethod
    def of(cls, config: MiniOmniConfig) -> Tokens:
        """Return the tokens of a model."""
        return cls(
            text_base=config.text_vocabulary - RESERVED,
            audio_base=config.audio_vocabulary - RESERVED,
            text_vocabulary=config.text_vocabulary,
            audio_vocabulary=config.audio_vocabulary,
        )

    @property
    def end_of_text(self) -> int:
        """Ends a text, spoken or answered."""
        return self.text_base

    @property
    def no_text(self) -> int:
        """Stands in the text stream where there is no text."""
        return self.text_base + 1

    @property
    def text_input(self) -> int:
        """Starts a prompt's text."""
        return self.text_base + 2

    @property
    def text_answer(self) -> int:
        """Asks for an answer in words."""
        return self.text_base + 3

    @property
    def transcript(self) -> int:
        """Asks for what was said."""
        return self.text_base + 4

    @property
    def end_of_audio(self) -> int:
        """Ends a sound. The makers' code has a constant of this name that holds the value of `no_audio`."""
        return self.audio_base

    @property
    def no_audio(self) -> int:
        """Stands in an audio stream where there is no sound, or where a clip's states take its place."""
        return self.audio_base + 1

    @property
    def audio_input(self) -> int:
        """Starts a prompt's clip."""
        return self.audio_base + 2

    @property
    def audio_answer(self) -> int:
        """Asks for an answer in speech."""
        return self.audio_base + 3

    def shared(self, local: Tensor) -> Tensor:
        """Move local audio tokens [STREAMS, ...] to where their streams lie in the one vocabulary."""
        starts = self.text_vocabulary + self.audio_vocabulary * torch.arange(STREAMS, device=local.device)
        return local + starts.view(-1, *[1] * (local.dim() - 1))

    def silence(self) -> Tensor:
        """Return one step in which no stream sounds [STREAMS]."""
        return self.shared(torch.full((STREAMS,), self.no_audio))


def clip_prompt(tokens: Tokens, states: int, *, answer: int, spoken: bool) -> Tensor:
    """Return the prompt [STREAMS + 1, states + 3] for a clip of so many states.

    Args:
        tokens: of the model.
        states: how many states of the clip replace positions 1 and on of the audio streams.
        answer: `text_answer` or `transcript`.
        spoken: ask for speech as well.
    """
    last = tokens.audio_answer if spoken else tokens.no_audio
    audio = [tokens.audio_input, *[tokens.no_audio] * states, tokens.end_of_audio, last]
    text = [tokens.text_input, *[tokens.no_text] * states, tokens.end_of_text, answer]
    return _stacked(tokens, audio, text)


def text_prompt(tokens: Tokens, words: Sequence[int], *, spoken: bool) -> Tensor:
    """Return the prompt [STREAMS + 1, words + 3] for a text of so many tokens."""
    last = tokens.audio_answer if spoken else tokens.no_audio
    audio = [*[tokens.no_audio] * (len(words) + 2), last]
    text = [tokens.text_input, *words, tokens.end_of_text, tokens.text_answer]
    return _stacked(tokens, audio, text)


def _stacked(tokens: Tokens, audio: list[int], text: list[int]) -> Tensor:
    streams = tokens.shared(torch.tensor(audio).expand(STREAMS, -1))
    return torch.cat((streams, torch.tensor([text])))
