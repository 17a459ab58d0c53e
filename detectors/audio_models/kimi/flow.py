"""From Kimi-Audio's audio tokens to mel: noise flows to speech, with what was said before in view."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses

STEPS = 29
"""Of Euler's method, from noise to mel."""
MEMORY_FRAMES = 900
"""What was said before is in view for 18 s."""
_SETTLED = 0.999
"""The moment at which what has been said is shown again, to be remembered."""

Remembered = tuple[Tensor, Tensor]
"""One layer's keys and values [1, heads, frames, head size]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowConfig:
    """Sizes of the network, and how its mel was scaled."""

    mels: int
    width: int
    depth: int
    heads: int
    hidden: int
    codes: int
    positions: int
    rope_base: float
    mean: float
    deviation: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> FlowConfig:
        """Read `audio_detokenizer/config.yaml`."""
        network = config["model"]["dit"]
        rope = network["rope_params"]
        return cls(
            mels=network["input_size"],
            width=network["hidden_size"],
            depth=network["depth"],
            heads=network["num_heads"],
            hidden=int(network["hidden_size"] * network["mlp_ratio"]),
            codes=network["semantic_vocab_size"] + 1,
            positions=rope["max_position_embeddings"],
            rope_base=float(rope["rope_base"]),
            mean=config["mel_mean"],
            deviation=config["mel_std"],
        )


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, frames: Tensor, turn: Tensor, before: Remembered | None) -> tuple[Tensor, Remembered]:
        """Let all frames see each other and what is remembered."""
        batch, count, width = frames.shape
        parts = self.qkv(frames).view(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        queries, keys, values = _turned(parts[0], turn), _turned(parts[1], turn), parts[2]
        if before is not None:
            keys = torch.cat((before[0], keys), dim=2)
            values = torch.cat((before[1], values), dim=2)
        seen = F.scaled_dot_product_attention(queries, keys, values)
        out: Tensor = self.proj(seen.transpose(1, 2).reshape(batch, count, width))
        return out, (keys, values)


class _Feedforward(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, frames: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(frames), approximate="tanh"))
        return out


def _modulation(width: int, parts: int) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), nn.Linear(width, parts * width))


class _Block(nn.Module):
    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.attn = _Attention(config.width, config.heads)
        self.mlp = _Feedforward(config.width, config.hidden)
        self.adaLN_modulation = _modulation(config.width, 6)

    def forward(
        self, frames: Tensor, guide: Tensor, turn: Tensor, before: Remembered | None
    ) -> tuple[Tensor, Remembered]:
        shift, scale, gate, shift_2, scale_2, gate_2 = self.adaLN_modulation(guide).chunk(6, dim=-1)
        seen, remembered = self.attn(_normed(frames) * (1 + scale) + shift, turn, before)
        frames = frames + gate * seen
        return frames + gate_2 * self.mlp(_normed(frames) * (1 + scale_2) + shift_2), remembered


class _Moment(nn.Module):
    """Where between noise (0) and mel (1) the frames are."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, moment: float) -> Tensor:
        weight = next(self.mlp.parameters())
        rates = torch.exp(-math.log(10_000) * torch.arange(128, device=weight.device) / 128)
        angles = int(1_000 * moment) * rates
        out: Tensor = self.mlp(torch.cat((angles.cos(), angles.sin())).to(weight.dtype))
        return out


class _Final(nn.Module):
    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.width, config.mels)
        self.adaLN_modulation = _modulation(config.width, 2)

    def forward(self, frames: Tensor, guide: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(guide).chunk(2, dim=-1)
        out: Tensor = self.linear(_normed(frames) * (1 + scale) + shift)
        return out


class FlowNetwork(nn.Module):
    """Says which way the frames flow. Modules are named as in the checkpoint."""

    def __init__(self, config: FlowConfig) -> None:
        super().__init__()
        self.config = config
        self.t_embedder = _Moment(config.width)
        self.semantic_token_embedding = nn.Embedding(config.codes, config.width)
        self.input_linear = nn.Linear(config.mels, config.width)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.depth))
        self.final_layer = _Final(config)

    def forward(
        self, frames: Tensor, codes: Tensor, moment: float, start: int, before: list[Remembered] | None
    ) -> tuple[Tensor, list[Remembered]]:
        """Return the direction [1, n, mels] of frames, and what each layer would remember of them.

        Args:
            frames: [1, n, mels] on their way.
            codes: what is said in each frame [n].
            moment: from 0 (noise) to 1 (mel).
            start: the position of the first frame.
            before: what is remembered of the frames before it.
        """
        guide = self.t_embedder(moment) + self.semantic_token_embedding(codes)[None]
        turn = _turn(self.config, start, len(codes), frames.device)
        hidden: Tensor = self.input_linear(frames)
        remembered = []
        for index, block in enumerate(self.blocks):
            hidden, kept = block(hidden, guide, turn, before[index] if before else None)
            remembered.append(kept)
        return self.final_layer(hidden, guide), remembered


class Flow:
    """Makes mel of codes in the order in which they are said; remembers what it has made."""

    def __init__(self, network: FlowNetwork) -> None:
        self._network = network
        self._remembered: list[Remembered] | None = None
        self._start = 0

    def mel(self, codes: Tensor, noise: Tensor, *, hold_back: int) -> Tensor:
        """Return the next frames [n - hold_back, mels].

        Args:
            codes: of each frame [n], those held back the last time first.
            noise: what the frames flow from [n, mels].
            hold_back: frames that only help those before them; 0 ends the speech.
        """
        frames = noise[None]
        moments = torch.linspace(0, 1, STEPS + 1).tolist()
        for moment, following in pairwise(moments):
            direction, remembered = self._network(frames, codes, moment, self._start, self._remembered)
            frames = frames + (following - moment) * direction
        if hold_back:
            frames, codes = frames[:, :-hold_back], codes[:-hold_back]
            _, remembered = self._network(frames, codes, _SETTLED, self._start, self._remembered)
        self._remembered = [
            (keys[:, :, -MEMORY_FRAMES:], values[:, :, -MEMORY_FRAMES:]) for keys, values in remembered
        ]
        self._start += len(codes)
        config = self._network.config
        if self._start + 2 * len(codes) > config.positions:
            self._remembered, self._start = None, 0
        return frames[0] * config.deviation + config.mean


def _normed(frames: Tensor) -> Tensor:
    return F.layer_norm(frames, frames.shape[-1:], eps=1e-6)


def _turn(config: FlowConfig, start: int, count: int, device: torch.device) -> Tensor:
    """Return rotations [count, head size / 2] as complex numbers."""
    size = config.width // config.heads
    rates = 1.0 / config.rope_base ** (torch.arange(0, size, 2, device=device).float() / size)
    angles = torch.outer(torch.arange(start, start + count, device=device).float(), rates)
    return torch.polar(torch.ones_like(angles), angles)


def _turned(heads: Tensor, turn: Tensor) -> Tensor:
    """Rotate neighbouring pairs of [1, heads, frames, head size]."""
    pairs = torch.view_as_complex(heads.float().reshape(*heads.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turn).flatten(-2).to(heads.dtype)
