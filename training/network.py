"""The builtin encoder's network: a picture of each hop, then memory over hops.

A hop is 80 ms. What happens within it is seen by a small picture network that remembers nothing, so the many
hops of a batch are many pictures; what happens over hops is heard by layers on one vector a hop, whose past
is a stream's whole state. A clip in training and one hop on a hub are the same call with another number of
frames, and nothing is computed twice.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.dsp import FRAMES_PER_HOP, N_MELS

OVERLAP_FRAMES = 1  # with the frame before the hop's first, the stride of two sees whole pairs
CHANNELS = 320
DILATIONS = (1, 2, 4)
POOL_HOPS = 12  # 0.96 s: one decision rests on about the last second
LOGIT_LIMIT = 8.0  # keeps the pooling weights within float32's comfort


def convolved(
    inputs: int, outputs: int, stride: tuple[int, int] = (1, 1), padding: tuple[int, int] = (1, 1)
) -> nn.Sequential:
    """A 3 × 3 convolution over (time, mel), normalised and rectified."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    """A 3 × 3 convolution to twice the channels, and back by a 1 × 1.

    Few channels make one dense convolution cheaper than a depthwise one between two that widen and narrow:
    fewer, larger operations (Tan and Le, EfficientNetV2, arXiv 2104.00298).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.widen = convolved(channels, 2 * channels)
        self.narrow = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        narrowed: Tensor = self.narrow(self.widen(x))
        return x + narrowed


def picture_network() -> nn.Sequential:
    """[pictures, 1, FRAMES_PER_HOP + OVERLAP_FRAMES, N_MELS] to [pictures, features]."""
    return nn.Sequential(
        convolved(1, 16, (2, 2), (0, 1)),
        convolved(16, 32, (1, 2)),
        convolved(32, 48, (2, 2)),
        Residual(48),
        convolved(48, 96, (2, 2)),
        Residual(96),
        nn.Flatten(),
    )


class OverHops(nn.Module):
    """A residual block over hops: what stood here, `dilation` and 2 × `dilation` hops ago."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.taps = nn.Parameter(torch.randn(3, channels) * 0.3)
        self.norm = nn.BatchNorm1d(channels)
        self.mix = nn.Linear(channels, channels)
        self.dilation = dilation
        self.memory_shape = (2 * dilation, channels)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, hops, channels] and what is remembered, to the same."""
        longer = torch.cat((memory, x), 1)
        hops = x.shape[1]
        # Three scaled copies: ONNX Runtime takes ten times as long over a depthwise convolution of one hop.
        older, old, new = (longer[:, tap * self.dilation : tap * self.dilation + hops] for tap in range(3))
        filtered = older * self.taps[0] + old * self.taps[1] + new * self.taps[2]
        normed = self.norm(filtered.flatten(0, 1)).reshape(filtered.shape)
        return x + self.mix(normed.relu()), longer[:, hops:]


class AttentionPool(nn.Module):
    """A weighted mean over the last POOL_HOPS hops, whose weights say how telling each hop is.

    Silence gets little weight, so a short sound is not diluted by it (a plain mean loses six points, and more
    than the choice of encoder).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1)
        self.memory_shape = (POOL_HOPS - 1, channels + 1)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, hops, channels] and what is remembered, to the same."""
        weight = self.score(x).clamp(-LOGIT_LIMIT, LOGIT_LIMIT).exp()
        longer = torch.cat((memory, torch.cat((x * weight, weight), 2)), 1)
        hops = x.shape[1]
        total = (
            longer.sum(1, keepdim=True)
            if hops == 1
            else torch.stack([longer[:, i : i + hops] for i in range(POOL_HOPS)]).sum(0)
        )
        return total[..., :-1] / total[..., -1:], longer[:, hops:]


class StreamingEncoder(nn.Module):
    """Log-mel frames to one embedding a hop (not yet of unit length)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.picture = picture_network()
        with torch.no_grad():
            features = self.picture(torch.zeros(2, 1, FRAMES_PER_HOP + OVERLAP_FRAMES, N_MELS)).shape[1]
        self.hop = nn.Sequential(
            nn.Linear(features, CHANNELS, bias=False), nn.BatchNorm1d(CHANNELS), nn.ReLU(inplace=True)
        )
        self.context = nn.ModuleList([OverHops(CHANNELS, dilation) for dilation in DILATIONS])
        self.pool = AttentionPool(CHANNELS)
        self.embed = nn.Linear(CHANNELS, dim)
        self.memory_shapes: list[tuple[int, int]] = [
            (OVERLAP_FRAMES, N_MELS),
            *(layer.memory_shape for layer in [*self.context, self.pool]),
        ]

    @property
    def state_size(self) -> int:
        """Numbers that one stream carries from hop to hop."""
        return sum(length * width for length, width in self.memory_shapes)

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Advance by whole hops.

        Args:
            mel: [batch, hops * FRAMES_PER_HOP, N_MELS].
            state: [batch, state_size]; zeros for a stream that has heard nothing.

        Returns:
            Embeddings [batch, hops, dim] and the state after the last hop.
        """
        overlap, *memories = self._memories(state)
        longer = torch.cat((overlap, mel), 1)
        hops = mel.shape[1] // FRAMES_PER_HOP
        pictures = [
            longer[:, hop * FRAMES_PER_HOP : (hop + 1) * FRAMES_PER_HOP + OVERLAP_FRAMES]
            for hop in range(hops)
        ]
        stacked = torch.stack(pictures, 1).flatten(0, 1) if hops > 1 else pictures[0]
        x = self.hop(self.picture(stacked[:, None]))
        x = x.reshape(-1, hops, CHANNELS)
        after = [longer[:, -OVERLAP_FRAMES:]]
        for layer, memory in zip([*self.context, self.pool], memories, strict=True):
            x, memory_after = layer(x, memory)
            after.append(memory_after)
        return self.embed(x), torch.cat([memory.flatten(1) for memory in after], 1)

    def _memories(self, state: Tensor) -> list[Tensor]:
        ends = [0]
        for length, width in self.memory_shapes:
            ends.append(ends[-1] + length * width)
        return [
            state[:, start:end].reshape(-1, *shape)
            for (start, end), shape in zip(pairwise(ends), self.memory_shapes, strict=True)
        ]


def unit(embeddings: Tensor) -> Tensor:
    """Scale to unit length along the last axis."""
    return functional.normalize(embeddings, dim=-1)
