"""MiMo-Audio's answers as sound: codes that the patch decoder says, made audible while they come."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from detectors.audio_models import AskOptions, Capabilities, Clip, Prompt
from detectors.audio_models.mimo.ears import Ears
from detectors.audio_models.mimo.loading import Codec, Network
from detectors.audio_models.mimo.model import MimoAudio
from detectors.audio_models.mimo.prompts import spoken_segments
from detectors.audio_models.mimo.text import MimoText
from detectors.audio_models.qwen_context import advance, begin
from detectors.audio_models.sampling import Sampler
from detectors.audio_models.text_stream import TextStream

CHUNK_FRAMES = 25
"""Frames of 40 ms that are made audible at once: a second."""
CONTEXT_FRAMES = 250
"""Frames before a chunk that are decoded again with it."""
HELD_FRAMES = 10
"""Frames at the end of a chunk that wait for the next one: the vocoder looks ahead."""


class Voice:
    """Codes to sound, chunk by chunk.

    Norms run over the time of what is decoded together, so where an answer is longer than a chunk its sound
    is close to, not equal to, that of the whole decoded at once.
    """

    def __init__(self, codec: Codec) -> None:
        assert codec.decoder is not None
        self._quantizer = codec.encoder.quantizer
        self._decoder = codec.decoder
        self._rate_hz = codec.config.sampling_rate
        self._frame_samples = codec.config.hop_length * codec.config.stride_size * codec.config.avg_pooler
        self._codes: list[Tensor] = []
        self._given = 0
        """Frames"""

    def push(self, codes: Tensor) -> Iterator[Clip]:
        """Take codes [frames, levels], and yield what can be heard of them now."""
        self._codes.extend(codes)
        if len(self._codes) - self._given >= CHUNK_FRAMES + HELD_FRAMES:
            yield self._sound(len(self._codes) - HELD_FRAMES)

    def finish(self) -> Iterator[Clip]:
        """Yield the rest."""
        if len(self._codes) > self._given:
            yield self._sound(len(self._codes))

    def _sound(self, end: int) -> Clip:
        """Return the frames from what was given last to `end`."""
        start = max(0, self._given - CONTEXT_FRAMES)
        features = self._quantizer.decode(torch.stack(self._codes[start:]))
        samples = self._decoder(features[None])[0]
        first, last = ((frame - start) * self._frame_samples for frame in (self._given, end))
        self._given = end
        return Clip(samples=samples[first:last].float().cpu().numpy(), rate_hz=self._rate_hz)


class SpeakingMimoAudio(MimoAudio):
    """MiMo-Audio-7B-Instruct with its speech parts."""

    def __init__(self, *, name: str, network: Network, codec: Codec, text: MimoText) -> None:
        ears = Ears(codec.encoder, group_size=network.config.group_size)
        super().__init__(name=name, style="chat", network=network, ears=ears, text=text)
        assert network.patch_decoder is not None
        self._codec = codec
        self._patch_decoder = network.patch_decoder

    @property
    def capabilities(self) -> Capabilities:
        """What may be asked of it."""
        return self.capabilities_with(speech_output=True)

    @torch.inference_mode()
    def speak(self, prompt: Prompt, options: AskOptions) -> Iterator[str | Clip]:
        """Yield the answer's words and sound as they come; `options` hold for words and codes."""
        words, voice = TextStream(self._text.decode), Voice(self._codec)
        for said in self._said(prompt, options):
            if isinstance(said, Tensor):
                yield from voice.push(said)
            elif piece := words.push(said):
                yield piece
        if rest := words.finish():
            yield rest
        yield from voice.finish()

    def _said(self, prompt: Prompt, options: AskOptions) -> Iterator[int | Tensor]:
        """Yield text tokens, and codes [group_size, channels] where the model chose to sound."""
        network, special = self._network, self._text.special
        room = network.config.max_position_embeddings - options.max_tokens
        shown = self.fit(self.positions(spoken_segments(prompt)), room=room)
        sampler = Sampler(options)
        hidden, context = begin(network.backbone, self.embed([shown]))
        for _ in range(options.max_tokens):
            token = sampler.pick(network.words.lm_head(hidden[0]))
            if token in {*self._ends, special.speech_end}:
                return
            if token == special.audio_group:
                codes = self._codes_of(hidden[0], sampler)
                yield codes
                position = network.patch_encoder(codes[None])
            else:
                if token not in special.own:
                    yield token
                position = network.words.embed(torch.tensor([token], device=self._device))
            hidden = advance(network.backbone, context, position[None])[:, -1]

    def _codes_of(self, hidden: Tensor, sampler: Sampler) -> Tensor:
        decoder = self._patch_decoder
        return decoder.say(decoder.start(hidden), self._network.patch_encoder.speech_embeddings, sampler.pick)
