"""A model of transformers behind the port `AudioModel`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from detectors.audio_models import AskOptions, Capabilities, Clip, Prompt, Reply
from detectors.audio_models.choice_scores import MOST_POSITIONS
from detectors.audio_models.in_transformers.kinds import Kind
from detectors.audio_models.resampling import samples_at
from detectors.audio_models.sampling import Sampler
from detectors.audio_models.text_stream import TextStream
from detectors.types import Samples
from foundation.errors import PromptError

_LEAST_S = 0.1
"""Shorter clips end in silence: some encoders have no step that short."""


class InTransformers:
    """Shown a conversation as its own processor lays it out."""

    def __init__(self, *, name: str, kind: Kind, network: Any, processor: Any) -> None:
        self.name = name
        self._kind = kind
        self._network = network
        self._processor = processor
        # A folder may say less than its kind can.
        self._clip_s = min(kind.clip_s, getattr(processor, "max_audio_len", math.inf))
        self._rate_hz: int = processor.feature_extractor.sampling_rate
        self._positions: int = network.config.get_text_config().max_position_embeddings
        ends = network.generation_config.eos_token_id or processor.tokenizer.eos_token_id
        # In an answer it would stand for a clip that nobody gave.
        heard = processor.tokenizer.convert_tokens_to_ids(processor.audio_token)
        self._forbidden = torch.tensor([heard], device=network.device)
        self._ends: tuple[int, ...] = tuple(ends) if isinstance(ends, list) else (ends,)

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""
        return Capabilities(
            understanding=self._kind.sounds,
            few_shot=self._kind.many_clips,
            thinking=False,
            speech_output=False,
            instructions=True,
            max_positions=self._positions,
        )

    def ask(self, prompt: Prompt, options: AskOptions) -> str:
        """Return the whole answer."""
        return "".join(self.stream(prompt, options))

    def stream(self, prompt: Prompt, options: AskOptions) -> Iterator[str]:
        """Yield the answer piece by piece as it comes."""
        words = TextStream(self._decoded)
        for token in self.text_tokens(prompt, options):
            if piece := words.push(token):
                yield piece
        if piece := words.finish():
            yield piece

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> NDArray[np.float64]:
        """Return how likely each choice is as the whole answer to each prompt [prompts, choices]."""
        encode = self._processor.tokenizer.encode
        answers = [
            torch.tensor(encode(choice, add_special_tokens=False), dtype=torch.long) for choice in choices
        ]
        # Prompts one after the other: no two of these models pad sound alike.
        return np.stack([self._weighed(self.inputs(prompt), answers) for prompt in prompts])

    def text_tokens(self, prompt: Prompt, options: AskOptions) -> Iterator[int]:
        """Yield the tokens of the answer, the one that ends it left out."""
        sampler = Sampler(options)
        with torch.inference_mode():
            inputs = self.inputs(prompt)
            seen = self._network(**inputs, use_cache=True)
        for _ in range(min(options.max_tokens, self._positions - inputs["input_ids"].shape[1])):
            with torch.inference_mode():
                token = sampler.pick(seen.logits[0, -1], forbidden=self._forbidden)
            if token in self._ends:
                return
            yield token
            with torch.inference_mode():
                step = torch.tensor([[token]], device=self._network.device)
                seen = self._further(step, seen.past_key_values)

    def inputs(self, prompt: Prompt) -> dict[str, Tensor]:
        """Return what the network is shown for one prompt."""
        clips = [part for part in prompt if isinstance(part, Clip)]
        self._check(clips)
        text = self._processor.apply_chat_template(
            _conversation(prompt), tokenize=False, add_generation_prompt=True
        )
        shown = text.count(self._processor.audio_token)
        if shown != len(clips):
            raise PromptError(f"{self.name}'s chat template shows {shown} of {len(clips)} clips; ask by one")
        sound = [self._sound(clip) for clip in clips]
        heard = {"audio": sound, "sampling_rate": self._rate_hz} if sound else {}
        first = self._processor.tokenizer.bos_token
        # Where the template has written it, a tokenizer that writes it as well would double it.
        alone = {"add_special_tokens": False} if first and text.startswith(first) else {}
        inputs = self._processor(text=[text], return_tensors="pt", **alone, **heard)
        taken = inputs["input_ids"].shape[1]
        if taken >= self._positions:
            raise PromptError(
                f"the prompt takes {taken} of {self.name}'s {self._positions} positions; shorten it"
            )
        device, dtype = self._network.device, self._network.dtype
        return {
            name: value.to(device, dtype) if value.is_floating_point() else value.to(device)
            for name, value in inputs.items()
        }

    def _sound(self, clip: Clip) -> Samples:
        samples = samples_at(clip, self._rate_hz)
        return np.pad(samples, (0, max(0, round(_LEAST_S * self._rate_hz) - len(samples))))

    def _check(self, clips: Sequence[Clip]) -> None:
        if len(clips) > 1 and not self._kind.many_clips:
            raise PromptError(f"{self.name} takes one clip, and no examples with clips")
        for clip in clips:
            if not len(clip.samples):
                raise PromptError("a clip without any sample cannot be heard; leave it out")
            if clip.duration_s > self._clip_s:
                raise PromptError(
                    f"{self.name} hears {self._clip_s:.0f} s at most, and this clip lasts"
                    f" {clip.duration_s:.0f} s; cut it"
                )

    def _weighed(self, inputs: dict[str, Tensor], answers: Sequence[Tensor]) -> NDArray[np.float64]:
        seen = self._network(**inputs, use_cache=True)
        longest = inputs["input_ids"].shape[1] + max(map(len, answers))
        at_once = max(1, MOST_POSITIONS // longest)
        cut = [answers[at : at + at_once] for at in range(0, len(answers), at_once)]
        return np.concatenate(
            [self._behind(seen, some, last=number == len(cut)) for number, some in enumerate(cut, start=1)]
        )

    def _behind(self, seen: Any, answers: Sequence[Tensor], *, last: bool) -> NDArray[np.float64]:
        """Weigh answers behind a prompt; what is remembered of it is used up by the last ones."""
        tokens = pad_sequence(list(answers), batch_first=True).to(self._network.device)
        logits = seen.logits[:, -1:].expand(len(answers), -1, -1)
        if tokens.shape[1]:
            remembered = seen.past_key_values if last else deepcopy(seen.past_key_values)
            remembered.batch_repeat_interleave(len(answers))
            later = self._further(tokens, remembered)
            logits = torch.cat((logits, later.logits), dim=1)
        likelihood = logits.float().log_softmax(-1)
        each = likelihood[:, :-1].gather(-1, tokens[..., None])[..., 0].double().cpu()
        # Any of the tokens that end an answer ends it.
        ends = likelihood[..., list(self._ends)].logsumexp(-1).double().cpu()
        return np.array(
            [
                float(row[: len(answer)].sum() + end[len(answer)])
                for row, end, answer in zip(each, ends, answers, strict=True)
            ]
        )

    def _further(self, tokens: Tensor, cache: Any) -> Any:
        """Go on; nothing before is padding, so there is nothing to mask."""
        return self._network(input_ids=tokens, past_key_values=cache, use_cache=True)

    def _decoded(self, tokens: Sequence[int]) -> str:
        return str(self._processor.tokenizer.decode(list(tokens), skip_special_tokens=True))


def _conversation(prompt: Prompt) -> list[dict[str, Any]]:
    """Return a prompt's turns as chat templates want them."""
    turns: list[dict[str, Any]] = []
    for part in prompt:
        role = "assistant" if isinstance(part, Reply) else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        if isinstance(part, Clip):
            turns[-1]["content"].append({"type": "audio", "audio": ""})
        else:
            words = part.text if isinstance(part, Reply) else part
            turns[-1]["content"].append({"type": "text", "text": words})
    return turns
