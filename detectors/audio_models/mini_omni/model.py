"""mini-omni behind the port `AudioModel`, and its voice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from detectors.audio_models import AskOptions, Capabilities, Clip, Prompt
from detectors.audio_models.choice_scores import choice_log_probabilities
from detectors.audio_models.mini_omni import TRANSCRIBE
from detectors.audio_models.mini_omni.codec import Codec
from detectors.audio_models.mini_omni.config import STREAMS, MiniOmniConfig
from detectors.audio_models.mini_omni.network import Network
from detectors.audio_models.mini_omni.tokens import Tokens, clip_prompt, text_prompt
from detectors.audio_models.mini_omni.voice import Voice
from detectors.audio_models.qwen_context import advance, begin
from detectors.audio_models.resampling import samples_at
from detectors.audio_models.sampling import Sampler
from detectors.audio_models.text_stream import TextStream
from detectors.audio_models.text_tokenizer import TextTokenizer
from detectors.audio_models.whisper_encoder import WINDOW_SAMPLES, WhisperEars
from detectors.audio_models.whisper_mel import RATE_HZ
from foundation.errors import PromptError


class MiniOmni:
    """Hears one clip of at most half a minute."""

    name = "mini-omni"

    def __init__(
        self,
        *,
        config: MiniOmniConfig,
        network: Network,
        ears: WhisperEars,
        tokenizer: TextTokenizer,
        codec: Codec | None,
        device: str,
    ) -> None:
        self._config = config
        self._network = network
        self._ears = ears
        self._tokenizer = tokenizer
        self._codec = codec
        self._device = device
        self._tokens = Tokens.of(config)

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""
        return Capabilities(
            understanding=False,
            few_shot=False,
            thinking=False,
            speech_output=self._codec is not None,
            instructions=False,
            max_positions=self._config.positions,
        )

    def ask(self, prompt: Prompt, options: AskOptions) -> str:
        """Return the whole answer."""
        return "".join(self.stream(prompt, options))

    def stream(self, prompt: Prompt, options: AskOptions) -> Iterator[str]:
        """Yield the answer piece by piece as it comes."""
        text = TextStream(self._tokenizer.decode)
        for token in self.text_tokens(self._embedded(prompt), options):
            if token != self._tokens.end_of_text and (piece := text.push(token)):
                yield piece
        if piece := text.finish():
            yield piece

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each choice is as the whole answer to each prompt [prompts, choices]."""
        return choice_log_probabilities(
            self._network.backbone,
            [self._embedded(prompt) for prompt in prompts],
            [[*self._tokenizer.encode(choice), self._tokens.end_of_text] for choice in choices],
            embed=self._words_embedded,
            head=self._network.text_head,
        )

    def speak(self, prompt: Prompt, options: AskOptions) -> Iterator[str | Clip]:
        """Yield pieces of the answer's text and of its sound as they come."""
        if self._codec is None:
            raise PromptError("mini-omni was loaded without its voice; load it with speech")
        text, voice = TextStream(self._tokenizer.decode), Voice(self._codec)
        silent = (self._tokens.end_of_text, self._tokens.no_text)
        rows = [self._embedded(prompt, spoken=True), self._embedded(prompt)]
        for token, sound in self.spoken_tokens(rows, options):
            if token not in silent and (piece := text.push(token)):
                yield piece
            if (clip := voice.push(sound)) is not None:
                yield clip
        if piece := text.finish():
            yield piece
        if (clip := voice.finish()) is not None:
            yield clip

    def text_tokens(self, prompt: Tensor, options: AskOptions) -> Iterator[int]:
        """Yield the text tokens of the answer to an embedded prompt, with the one that ends it."""
        sampler, network = Sampler(options), self._network
        with torch.inference_mode():
            hidden, context = begin(network.backbone, [prompt])
        for index in range(self._steps(prompt, options)):
            with torch.inference_mode():
                token = sampler.pick(network.text_head(hidden[-1]))
            yield token
            # As the makers' loop has it, an answer is never empty.
            if index and token == self._tokens.end_of_text:
                return
            with torch.inference_mode():
                step = self._words_embedded(torch.tensor([[token]], device=self._device))
                hidden = advance(network.backbone, context, step)[:, -1]

    def spoken_tokens(self, rows: Sequence[Tensor], options: AskOptions) -> Iterator[tuple[int, Tensor]]:
        """Yield the text token and the local audio tokens [STREAMS] of each step.

        Args:
            rows: the embedded prompt that asks for speech, and optionally the one that asks for words alone:
                words then come from that one, which knows better what to say, and both go on with them.
            options: how to answer.
        """
        sampler, tokens, network = Sampler(options), self._tokens, self._network
        silence = tokens.silence().to(self._device)
        words_ended = False
        with torch.inference_mode():
            hidden, context = begin(network.backbone, rows)
        for _ in range(self._steps(rows[0], options)):
            with torch.inference_mode():
                word = sampler.pick(network.text_head(hidden[-1]))
                sound = torch.tensor([sampler.pick(logits) for logits in network.audio_logits(hidden[0])])
                if words_ended:
                    word = tokens.no_text
                if int(sound[-1]) == tokens.end_of_audio:
                    return
                words_ended = words_ended or word == tokens.end_of_text
                streams = [tokens.shared(sound).to(self._device), silence][: len(rows)]
                step = torch.stack([self._step(row, word) for row in streams])
            yield word, sound
            with torch.inference_mode():
                hidden = advance(network.backbone, context, step)[:, -1]

    def _step(self, audio: Tensor, word: int) -> Tensor:
        """Embed one step of all streams [1, width]."""
        streams = torch.cat((audio, torch.tensor([word], device=self._device)))
        return self._network.embed(streams[:, None])

    def _words_embedded(self, words: Tensor) -> Tensor:
        """Embed steps of text [rows, steps] in which no stream sounds: [rows, steps, width]."""
        silence = self._network.embedding(self._tokens.silence().to(self._device)).sum(0)
        embedded: Tensor = (self._network.embedding(words) + silence) / (STREAMS + 1)
        return embedded

    @torch.inference_mode()
    def _embedded(self, prompt: Prompt, *, spoken: bool = False) -> Tensor:
        """Turn a prompt into embeddings [positions, width]."""
        clips = [part for part in prompt if isinstance(part, Clip)]
        words = [part for part in prompt if isinstance(part, str)]
        if len(clips) + len(words) < len(prompt):
            raise PromptError("mini-omni knows no examples: leave the replies out of the prompt")
        if not clips:
            streams = text_prompt(self._tokens, self._tokenizer.encode("".join(words)), spoken=spoken)
            return self._network.embed(self._fitting(streams).to(self._device))
        if len(clips) > 1 or words not in ([], [TRANSCRIBE]):
            raise PromptError(
                f"mini-omni takes one clip, and beside it no words but {TRANSCRIBE!r}; leave them out"
            )
        states = self._heard(clips[0])
        answer = self._tokens.transcript if words else self._tokens.text_answer
        streams = clip_prompt(self._tokens, len(states), answer=answer, spoken=spoken)
        return self._network.embed(self._fitting(streams).to(self._device), states)

    def _heard(self, clip: Clip) -> Tensor:
        """Return a clip's states, 50 a second."""
        samples = samples_at(clip, RATE_HZ)
        if len(samples) > WINDOW_SAMPLES:
            raise PromptError(
                f"mini-omni hears 30 s at most, and this clip lasts {clip.duration_s:.0f} s; cut it"
            )
        milliseconds = 1_000 * len(samples) / RATE_HZ
        return self._ears.states([samples])[0, : int(milliseconds / 20) + 1]

    def _fitting(self, streams: Tensor) -> Tensor:
        if streams.shape[1] >= self._config.positions:
            taken, there_are = streams.shape[1], self._config.positions
            raise PromptError(f"the prompt takes {taken} of mini-omni's {there_are} positions; shorten it")
        return streams

    def _steps(self, prompt: Tensor, options: AskOptions) -> int:
        return min(options.max_tokens, self._config.positions - len(prompt))
