"""Kimi-Audio behind the port `AudioModel`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.audio_models import AskOptions, Capabilities, Clip, Prompt
from detectors.audio_models.choice_scores import choice_log_probabilities
from detectors.audio_models.kimi.ears import KimiEars
from detectors.audio_models.kimi.network import Network, tapped
from detectors.audio_models.kimi.prompts import BASE_ANSWER_END, Streams, Style, lay_out
from detectors.audio_models.kimi.text import SpecialTokens
from detectors.audio_models.kimi.voice import Speaking, Voice, seeded_noise
from detectors.audio_models.qwen_context import advance, begin
from detectors.audio_models.sampling import Sampler
from detectors.audio_models.text_stream import TextStream
from detectors.audio_models.text_tokenizer import TextTokenizer
from foundation.errors import PromptError


class KimiAudio:
    """Hears any number of clips, and answers in words and speech."""

    def __init__(
        self,
        *,
        name: str,
        style: Style,
        network: Network,
        ears: KimiEars,
        text: TextTokenizer,
        tokens: SpecialTokens,
        speaking: Speaking | None,
    ) -> None:
        self.name = name
        self._style: Style = style
        self._network = network
        self._ears = ears
        self._text = text
        self._tokens = tokens
        self._speaking = speaking
        self._device = network.shown.embed_tokens.weight.device

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""
        return Capabilities(
            understanding=True,
            few_shot=True,
            thinking=False,
            speech_output=self._speaking is not None,
            instructions=True,
            max_positions=self._network.config.positions,
        )

    def ask(self, prompt: Prompt, options: AskOptions) -> str:
        """Return the whole answer."""
        return "".join(self.stream(prompt, options))

    def stream(self, prompt: Prompt, options: AskOptions) -> Iterator[str]:
        """Yield the answer piece by piece as it comes."""
        words = TextStream(self._text.decode)
        ends = BASE_ANSWER_END.lstrip(" ") if self._style == "base" else None
        said = ""
        for token in self.text_tokens(self.embedded([prompt])[0], options):
            piece = words.push(token)
            said += piece
            if ends is not None and ends in said:
                if kept := piece[: len(piece) - (len(said) - said.index(ends))]:
                    yield kept
                return
            if piece:
                yield piece
        if piece := words.finish():
            yield piece

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each choice is as the whole answer to each prompt [prompts, choices]."""
        return choice_log_probabilities(
            self._network.backbone,
            self.embedded(prompts),
            [self._answer(choice) for choice in choices],
            embed=self._words,
            head=self._network.text_head,
        )

    def speak(self, prompt: Prompt, options: AskOptions) -> Iterator[str | Clip]:
        """Yield pieces of the answer's text and of its sound as they come."""
        if self._speaking is None or self._style == "base":
            raise PromptError(f"{self.name} has no voice: load the -Instruct model with speech")
        words, voice = TextStream(self._text.decode), Voice(self._speaking, seeded_noise(options.seed))
        silent = (self._tokens.blank, self._tokens.text_end)
        offset = self._network.config.audio_offset
        for word, sound in self.spoken_tokens(self.embedded([prompt], spoken=True)[0], options):
            if word not in silent and (piece := words.push(word)):
                yield piece
            if sound >= offset:
                with torch.inference_mode():
                    clip = voice.push(sound - offset)
                if clip is not None:
                    yield clip
        if piece := words.finish():
            yield piece
        with torch.inference_mode():
            clip = voice.finish()
        if clip is not None:
            yield clip

    @torch.inference_mode()
    def embedded(self, prompts: Sequence[Prompt], *, spoken: bool = False) -> list[Tensor]:
        """Return what the backbone is shown [positions, width], all clips heard in one batch."""
        clips = [part for prompt in prompts for part in prompt if isinstance(part, Clip)]
        heard = self._ears.hear(clips) if clips else []
        shown = []
        for prompt in prompts:
            count = sum(isinstance(part, Clip) for part in prompt)
            mine, heard = heard[:count], heard[count:]
            streams = lay_out(
                prompt,
                [codes for codes, _ in mine],
                style=self._style,
                spoken=spoken,
                tokens=self._tokens,
                text=self._text,
                audio_offset=self._network.config.audio_offset,
            )
            shown.append(self.embed(streams, [states for _, states in mine]))
        return shown

    def embed(self, streams: Streams, states: Sequence[Tensor]) -> Tensor:
        """Return the embeddings [positions, width] of a prompt, and of its clips' stacked states."""
        there_are = self._network.config.positions
        if len(streams.audio) >= there_are:
            raise PromptError(
                f"the prompt takes {len(streams.audio)} positions, and {self.name} has {there_are}:"
                " fewer or shorter clips"
            )
        audio, text, heard = (
            torch.tensor(ids, device=self._device) for ids in (streams.audio, streams.text, streams.heard)
        )
        together = torch.cat(list(states)) if states else None
        shown: Tensor = self._network.shown(audio, text, heard=heard, states=together)
        return shown

    def text_tokens(self, prompt: Tensor, options: AskOptions) -> Iterator[int]:
        """Yield the text tokens of the answer to an embedded prompt, the one that ends it left out."""
        sampler, network = Sampler(options), self._network
        with torch.inference_mode():
            hidden, context = begin(network.backbone, [prompt])
        for _ in range(min(options.max_tokens, network.config.positions - len(prompt))):
            with torch.inference_mode():
                token = sampler.pick(network.text_head(hidden[0]))
            if token == self._tokens.text_end:
                return
            yield token
            with torch.inference_mode():
                step = self._words(torch.tensor([[token]], device=self._device))
                hidden = advance(network.backbone, context, step)[:, -1]

    def spoken_tokens(self, prompt: Tensor, options: AskOptions) -> Iterator[tuple[int, int]]:
        """Yield each step's text token and audio token, with the one that ends the speech."""
        sampler, network, tokens = Sampler(options), self._network, self._tokens
        assert network.branch is not None, "loaded without speech"
        assert network.audio_head is not None, "loaded without speech"
        ends, words_ended = (tokens.message_end, tokens.media_end), False
        with torch.inference_mode(), tapped(network) as seen:
            hidden, context = begin(network.backbone, [prompt])
            audible, branch_context = begin(network.branch, list(seen[0]))
        for step in range(min(options.max_tokens, network.config.positions - len(prompt))):
            with torch.inference_mode():
                word = tokens.blank if words_ended else sampler.pick(network.text_head(hidden[0]))
                sound = tokens.blank
                if step >= network.config.audio_delay:
                    sound = sampler.pick(network.audio_head(audible[0]))
            words_ended = words_ended or word == tokens.text_end
            yield word, sound
            if sound in ends:
                return
            with torch.inference_mode(), tapped(network) as seen:
                ids = torch.tensor([[[sound]], [[word]]], device=self._device)
                hidden = advance(network.backbone, context, network.shown(ids[0], ids[1]))[:, -1]
                audible = advance(network.branch, branch_context, seen[0])[:, -1]

    def _answer(self, choice: str) -> list[int]:
        """Return a choice's tokens with those that end it."""
        if self._style == "base":
            return self._text.encode(choice + BASE_ANSWER_END)
        return [*self._text.encode(choice), self._tokens.text_end]

    def _words(self, text: Tensor) -> Tensor:
        """Embed steps of text beside which there is no audio."""
        shown: Tensor = self._network.shown(torch.full_like(text, self._tokens.blank), text)
        return shown
