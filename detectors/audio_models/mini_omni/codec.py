"""SNAC at 24 kHz: from mini-omni's audio tokens to samples. Its encoder is left out.

Written here because the package `snac` builds on torch.jit, which torch has deprecated. SNAC's decoder adds
noise at every stage; that is left out too, so that the same tokens always sound the same and pieces join
without a seam.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from detectors.audio_models.checkpoint import Pickled, check_inventory, fill, shapes_of
from detectors.audio_models.opening import read_config
from detectors.audio_models.weight_norm import WholeWeights
from foundation.errors import ModelError

STRIDES = (4, 2, 1)
"""How many steps of the finest level one code of each level lasts."""
_LEVEL_STREAMS = ((0,), (1, 4), (2, 3, 5, 6))
"""Which of a frame's seven tokens go to each level, in order of time."""

_LEFT_OUT = (
    r"encoder\..*",
    r"quantizer\.quantizers\.\d+\.in_proj\..*",
    r"decoder\.model\.\d+\.block\.2\.linear\.weight",  # the noise
)


class Snake(nn.Module):
    """A curve that repeats, with a frequency for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, signal: Tensor) -> Tensor:
        """Return [batch, channels, n] as it came."""
        return signal + torch.sin(self.alpha * signal) ** 2 / (self.alpha + 1e-9)


class Residual(nn.Module):
    """One step of refinement, by neighbours `dilation` apart."""

    def __init__(self, channels: int, *, dilation: int, groups: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            nn.Conv1d(channels, channels, 7, dilation=dilation, padding=3 * dilation, groups=groups),
            Snake(channels),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, signal: Tensor) -> Tensor:
        """Return [batch, channels, n] as it came."""
        refined: Tensor = self.block(signal)
        return signal + refined


class Stage(nn.Module):
    """Makes a signal `rate` times longer and half as wide."""

    def __init__(self, channels: int, rate: int, *, noise: bool, depthwise: bool) -> None:
        super().__init__()
        half = channels // 2
        groups = half if depthwise else 1
        self.block = nn.Sequential(
            Snake(channels),
            nn.ConvTranspose1d(
                channels,
                half,
                2 * rate,
                stride=rate,
                padding=math.ceil(rate / 2),
                output_padding=rate % 2,
            ),
            *([nn.Identity()] if noise else []),
            *[Residual(half, dilation=dilation, groups=groups) for dilation in (1, 3, 9)],
        )

    def forward(self, signal: Tensor) -> Tensor:
        """Return [batch, channels / 2, n * rate]."""
        longer: Tensor = self.block(signal)
        return longer


class Level(nn.Module):
    """One level's codebook."""

    def __init__(self, codes: int, code_width: int, width: int) -> None:
        super().__init__()
        self.codebook = nn.Embedding(codes, code_width)
        self.out_proj = nn.Conv1d(code_width, width, 1)

    def forward(self, codes: Tensor) -> Tensor:
        """Return [batch, width, n] for codes [batch, n]."""
        latent: Tensor = self.out_proj(self.codebook(codes).transpose(1, 2))
        return latent


class _Quantizer(nn.Module):
    def __init__(self, levels: Sequence[Level]) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList(levels)


class _Decoder(nn.Module):
    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*stages)


class Codec(nn.Module):
    """From codes to samples."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        width = config["encoder_dim"] * 2 ** len(config["encoder_rates"])
        channels, rates, depthwise = config["decoder_dim"], config["decoder_rates"], config["depthwise"]
        self.rate_hz: int = config["sampling_rate"]
        self.codes: int = config["codebook_size"]
        self.frame_samples = STRIDES[0] * math.prod(rates)
        self.reach_frames = _reach_frames(rates)
        """How far it looks to either side: among so many frames, a piece is what it would be in the whole."""
        stages: list[nn.Module] = (
            [nn.Conv1d(width, width, 7, padding=3, groups=width), nn.Conv1d(width, channels, 1)]
            if depthwise
            else [nn.Conv1d(width, channels, 7, padding=3)]
        )
        for rate in rates:
            stages.append(Stage(channels, rate, noise=config["noise"], depthwise=depthwise))
            channels //= 2
        stages += [Snake(channels), nn.Conv1d(channels, 1, 7, padding=3), nn.Tanh()]
        levels = [Level(self.codes, config["codebook_dim"], width) for _ in STRIDES]
        self.quantizer = _Quantizer(levels)
        self.decoder = _Decoder(stages)

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Return samples [n * frame_samples] for the codes of n frames: [n], [2 n] and [4 n]."""
        latent = sum(
            (
                level(codes[None]).repeat_interleave(stride, dim=-1)
                for level, codes, stride in zip(self.quantizer.quantizers, levels, STRIDES, strict=True)
            ),
            start=torch.zeros((), device=levels[0].device),
        )
        samples: Tensor = self.decoder.model(latent)
        return samples[0, 0]


def _reach_frames(rates: Sequence[int]) -> int:
    steps, finer = 3.0, 1  # the first convolution is 7 wide
    for rate in rates:
        steps += 1 / finer
        finer *= rate
        steps += 3 * (1 + 3 + 9) / finer
    return math.ceil((steps + 3 / finer) / STRIDES[0])


def levels_of(frames: Tensor) -> tuple[Tensor, ...]:
    """Sort frames [n, 7] of audio tokens into the levels' codes [n], [2 n] and [4 n]."""
    return tuple(frames[:, list(streams)].flatten() for streams in _LEVEL_STREAMS)


def open_codec(folder: Path, *, device: str) -> Codec:
    """Load SNAC's decoder, in float32. Raises ModelError, which names file or tensor."""
    config = read_config(folder)
    if tuple(config.get("vq_strides", ())) != STRIDES or config.get("attn_window_size") is not None:
        raise ModelError(f"{folder}: not the SNAC that mini-omni speaks with: fetch hubertsiuzdak/snac_24khz")
    with torch.device("meta"):
        codec = Codec(config)
    source = WholeWeights(Pickled(folder / "pytorch_model.bin"))
    check_inventory(source, shapes_of(codec), ignored=_LEFT_OUT)
    fill(codec, source, dtype=torch.float32, device=device)
    return codec
