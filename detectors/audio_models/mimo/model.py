"""MiMo-Audio behind the port: clips and words in, words out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.audio_models import AskOptions, Capabilities, Clip, Prompt
from detectors.audio_models.choice_scores import choice_log_probabilities
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import Network
from detectors.audio_models.mimo.prompts import Segment, Style, continuation, segments
from detectors.audio_models.mimo.text import MimoText
from detectors.audio_models.qwen_context import advance, begin
from detectors.audio_models.sampling import Sampler
from detectors.audio_models.text_stream import TextStream
from foundation.errors import PromptError


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """A prompt as the backbone reads it."""

    tokens: Tensor
    """[positions]"""
    codes: Tensor
    """[audio groups, group_size, channels], in order of the positions whose token stands for one."""


class MimoAudio:
    """MiMo-Audio-7B-Base, -Instruct and what has their layout."""

    def __init__(self, *, name: str, style: Style, network: Network, ears: Ears, text: MimoText) -> None:
        self.name = name
        self._style = style
        self._network = network
        self._ears = ears
        self._text = text
        special = text.special
        self._ends = {special.end_of_text, special.audio_begin if style == "base" else special.im_end}
        self._device = next(network.patch_encoder.parameters()).device
        # An audio token in an answer of words would need the patch decoder.
        silent = [token for token in special.own if token not in self._ends]
        self._forbidden = torch.tensor(silent, device=self._device)

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""
        return self.capabilities_with(speech_output=False)

    def capabilities_with(self, *, speech_output: bool) -> Capabilities:
        """Return what may be asked, whether its answers can be heard or not."""
        return Capabilities(
            understanding=True,
            few_shot=True,
            thinking=self._style == "chat",
            speech_output=speech_output,
            instructions=True,
            max_positions=self._network.config.max_position_embeddings,
        )

    def ask(self, prompt: Prompt, options: AskOptions) -> str:
        """Return the whole answer."""
        return "".join(self.stream(prompt, options))

    @torch.inference_mode()
    def stream(self, prompt: Prompt, options: AskOptions) -> Iterator[str]:
        """Yield the answer as it comes."""
        words = TextStream(self._text.decode)
        for token in self.tokens(prompt, options):
            piece = words.push(token)
            if piece:
                yield piece
        rest = words.finish()
        if rest:
            yield rest

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each choice is as the answer to each prompt."""
        end = self._text.special.audio_begin if self._style == "base" else self._text.special.im_end
        answers = [[*self._text.encode(continuation(choice, style=self._style)), end] for choice in choices]
        room = self._network.config.max_position_embeddings - max(map(len, answers))
        shown = self.embed([self._lay_out(prompt, thinking=False, room=room) for prompt in prompts])
        return choice_log_probabilities(
            self._network.backbone,
            shown,
            answers,
            embed=self._network.words.embed,
            head=self._network.words.lm_head,
        )

    def positions(self, laid_out: Sequence[Segment]) -> Positions:
        """Turn segments into tokens and codes."""
        special, config = self._text.special, self._network.config
        codes = iter(self._ears.codes([segment for segment in laid_out if isinstance(segment, Clip)]))
        tokens: list[int] = []
        groups: list[Tensor] = []
        for segment in laid_out:
            if isinstance(segment, Clip):
                heard = next(codes).view(-1, config.group_size, config.audio_channels)
                groups.append(heard)
                tokens += [special.audio_begin, *[special.audio_group] * len(heard), special.audio_end]
            else:
                tokens += self._text.encode(segment)
        empty = torch.zeros(0, config.group_size, config.audio_channels, dtype=torch.int64)
        return Positions(
            tokens=torch.tensor(tokens, device=self._device),
            codes=torch.cat([empty.to(self._device), *groups]),
        )

    def embed(self, prompts: Sequence[Positions]) -> list[Tensor]:
        """Return what the backbone is shown [positions, hidden], the audio of all prompts in one batch."""
        shown = [self._network.words.embed(prompt.tokens) for prompt in prompts]
        codes = torch.cat([prompt.codes for prompt in prompts])
        if len(codes):
            heard = self._network.patch_encoder(codes).split([len(prompt.codes) for prompt in prompts])
            for embedded, prompt, groups in zip(shown, prompts, heard, strict=True):
                embedded[prompt.tokens == self._text.special.audio_group] = groups
        return shown

    def tokens(self, prompt: Prompt, options: AskOptions) -> Iterator[int]:
        """Yield the answer's tokens, the one that ends it left out."""
        room = self._network.config.max_position_embeddings - options.max_tokens
        shown = self._lay_out(prompt, thinking=options.thinking, room=room)
        sampler = Sampler(options)
        hidden, context = begin(self._network.backbone, self.embed([shown]))
        for left in reversed(range(options.max_tokens)):
            token = sampler.pick(self._network.words.lm_head(hidden[0]), forbidden=self._forbidden)
            if token in self._ends:
                return
            yield token
            if left:
                word = self._network.words.embed(torch.tensor([[token]], device=self._device))
                hidden = advance(self._network.backbone, context, word)[:, -1]

    def _lay_out(self, prompt: Prompt, *, thinking: bool, room: int) -> Positions:
        if thinking and not self.capabilities.thinking:
            raise PromptError(f"{self.name} cannot think before it answers; -Instruct can")
        return self.fit(self.positions(segments(prompt, style=self._style, thinking=thinking)), room=room)

    def fit(self, shown: Positions, *, room: int) -> Positions:
        """Return the prompt, or raise PromptError if it takes more positions than there are."""
        if len(shown.tokens) > room:
            raise PromptError(
                f"the prompt takes {len(shown.tokens)} positions, and {self.name} has {room} beside "
                "its answer: fewer or shorter clips"
            )
        return shown
