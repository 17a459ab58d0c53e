"""Speech out of Kimi-Audio's audio tokens as they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from detectors.audio_models import Clip
from detectors.audio_models.checkpoint import Pickled, check_inventory, fill, shapes_of
from detectors.audio_models.kimi.flow import Flow, FlowConfig, FlowNetwork
from detectors.audio_models.kimi.vocoder import Vocoder
from detectors.audio_models.opening import read_config
from detectors.audio_models.weight_norm import WholeWeights
from foundation.errors import ModelError

CHUNK_CODES = 30
"""What is spoken at once: 2.4 s."""
FRAMES_OF_CODE = 4
HELD_BACK_FRAMES = 48
"""The end of a chunk waits for what follows it."""

Noise = Callable[[int, int], Tensor]
"""From frames and mels to what speech flows from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaking:
    """The two networks that speech takes."""

    flow: FlowNetwork
    vocoder: Vocoder


class Voice:
    """Collects audio tokens, and says what can be said. One for each answer."""

    def __init__(self, speaking: Speaking, noise: Noise) -> None:
        self._speaking = speaking
        self._noise = noise
        self._flow = Flow(speaking.flow)
        self._joint = Joint(speaking.vocoder)
        self._codes: list[int] = []
        self._held_back: list[int] = []

    def push(self, code: int) -> Clip | None:
        """Take one code; return the next piece where more than a chunk has come."""
        self._codes.append(code)
        # Only with the next code is it certain that a chunk is not the last.
        if len(self._codes) <= CHUNK_CODES:
            return None
        chunk, self._codes = self._codes[:CHUNK_CODES], self._codes[CHUNK_CODES:]
        return self._say(chunk, hold_back=HELD_BACK_FRAMES)

    def finish(self) -> Clip | None:
        """Return what was held back."""
        return self._say(self._codes, hold_back=0) if self._codes else None

    def _say(self, codes: list[int], *, hold_back: int) -> Clip:
        frames = [*self._held_back, *(code for code in codes for _ in range(FRAMES_OF_CODE))]
        self._held_back = frames[-hold_back:] if hold_back else []
        weight = self._speaking.flow.input_linear.weight
        noise = self._noise(len(frames), self._speaking.flow.config.mels).to(weight)
        mel = self._flow.mel(torch.tensor(frames, device=weight.device), noise, hold_back=hold_back)
        # The two sides of a fade add up to a little more than one.
        samples = self._joint.join(mel, last=not hold_back).clamp(-1.0, 1.0)
        return Clip(samples=samples.float().cpu().numpy(), rate_hz=self._speaking.vocoder.rate_hz)


class Joint:
    """Turns mel into samples chunk by chunk: the second half of each waits, to be faded into the next."""

    def __init__(self, vocoder: Vocoder) -> None:
        self._vocoder = vocoder
        self._waiting: tuple[Tensor, Tensor] | None = None
        """Mel, and the samples that came of it."""

    def join(self, mel: Tensor, *, last: bool) -> Tensor:
        """Return the next samples."""
        before = self._waiting
        samples: Tensor = self._vocoder(mel if before is None else torch.cat((before[0], mel)))
        if last:
            return samples
        size = self._vocoder.frame_samples
        if before is None:
            given = len(mel) * size // 2
        else:
            given = 2 * len(before[1])
            if given >= len(samples):
                given = len(samples) // (2 * size) * size
            half = given // 2
            fade = torch.hamming_window(given, device=samples.device).to(samples.dtype)
            faded = before[1][:half] * fade[-half:] + samples[:half] * fade[:half]
            samples = torch.cat((faded, samples[half:]))
        left = len(samples) - given
        self._waiting = (mel[-(left // size) :], samples[-left:])
        return samples[:given]


def seeded_noise(seed: int) -> Noise:
    """Return noise that is the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return lambda frames, mels: torch.randn(frames, mels, generator=generator)


def open_speaking(folder: Path, *, dtype: torch.dtype, device: str) -> Speaking:
    """Load both networks from a model's folder. Raises ModelError, which names file or tensor."""
    config = _read_yaml(folder / "audio_detokenizer" / "config.yaml")
    vocoder_config = read_config(folder / "vocoder")
    try:
        with torch.device("meta"):
            flow, vocoder = FlowNetwork(FlowConfig.read(config)), Vocoder(vocoder_config)
    except KeyError as error:
        raise ModelError(f"{folder}: the configuration of its speech lacks {error}") from error
    kinds = tuple(vocoder_config.get(key) for key in ("resblock", "activation", "snake_logscale"))
    if kinds != ("1", "snakebeta", True):
        raise ModelError(f"{folder / 'vocoder'}: another BigVGAN than Kimi-Audio's")
    # The published file holds the state of training as well, which is left where it is.
    flow_file = folder / "audio_detokenizer" / "model.pt"
    flow_source = Pickled(flow_file, key="state_dict", prefix="speech_model.")
    vocoder_source = WholeWeights(Pickled(folder / "vocoder" / "model.pt", key="generator"))
    check_inventory(flow_source, shapes_of(flow))
    check_inventory(vocoder_source, shapes_of(vocoder))
    fill(flow, flow_source, dtype=dtype, device=device)
    fill(vocoder, vocoder_source, dtype=dtype, device=device)
    return Speaking(flow=flow, vocoder=vocoder)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{file}: cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{file}: not a configuration")
    return config
