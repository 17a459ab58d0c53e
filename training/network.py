"""The builtin encoder's network: causal in time, so that a stream is computed once, hop by hop.

Every layer takes the frames it still remembers and returns those it will need next. A whole clip in training
and one hop on a hub are the same call with a different number of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.dsp import FRAMES_PER_HOP, N_MELS

POOL_HOPS = 12  # 0.96 s: one decision rests on about the last second
LOGIT_LIMIT = 8.0  # keeps the pooling weights within float32's comfort


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One inverted residual block: channels in and out, how far it expands, and its strides."""

    inputs: int
    outputs: int
    expanded: int
    time_stride: int = 1
    mel_stride: int = 1


STEM_CHANNELS = 16
STAGES = (
    Stage(inputs=16, outputs=24, expanded=48, mel_stride=2),
    Stage(inputs=24, outputs=24, expanded=72),
    Stage(inputs=24, outputs=40, expanded=96, time_stride=2, mel_stride=2),
    Stage(inputs=40, outputs=40, expanded=120),
    Stage(inputs=40, outputs=40, expanded=120),
    Stage(inputs=40, outputs=80, expanded=160, time_stride=2, mel_stride=2),
    Stage(inputs=80, outputs=80, expanded=240),
    Stage(inputs=80, outputs=80, expanded=240),
)
HOP_CHANNELS = 256
DILATIONS = (1, 2, 4)


class CausalConv(nn.Module):
    """A 3 × 3 convolution over (time, mel) that sees the present and the past only."""

    def __init__(
        self, inputs: int, outputs: int, mels: int, *, stride: tuple[int, int], groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride, (0, 1), groups=groups, bias=False)
        # A stride of two starts one frame later: the newest frame is always the last one seen.
        self.memory_shape = (inputs, 3 - stride[0], mels)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, channels, time, mels] and the remembered frames, to the output and the next memory."""
        x = torch.cat((memory, x), 2)
        return self.conv(x), x[:, :, x.shape[2] - self.memory_shape[1] :]


class InvertedResidual(nn.Module):
    """Expand, filter each channel over time and mel, project; the input is added where shapes allow."""

    def __init__(self, stage: Stage, mels: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(
            nn.Conv2d(stage.inputs, stage.expanded, 1, bias=False),
            nn.BatchNorm2d(stage.expanded),
            nn.Hardswish(),
        )
        stride = (stage.time_stride, stage.mel_stride)
        self.filter = CausalConv(stage.expanded, stage.expanded, mels, stride=stride, groups=stage.expanded)
        self.project = nn.Sequential(
            nn.BatchNorm2d(stage.expanded),
            nn.Hardswish(),
            nn.Conv2d(stage.expanded, stage.outputs, 1, bias=False),
            nn.BatchNorm2d(stage.outputs),
        )
        self.adds_input = stride == (1, 1) and stage.inputs == stage.outputs
        self.memory_shape = self.filter.memory_shape

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        filtered, memory = self.filter(self.expand(x), memory)
        y = self.project(filtered)
        return (x + y if self.adds_input else y), memory


class DilatedHop(nn.Module):
    """A residual block over hops: what stood here, `dilation` and 2 × `dilation` hops ago."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.filter = nn.Conv1d(channels, channels, 3, dilation=dilation, groups=channels, bias=False)
        self.mix = nn.Sequential(
            nn.BatchNorm1d(channels),
            nn.Hardswish(),
            nn.Conv1d(channels, channels, 1, bias=False),
            nn.BatchNorm1d(channels),
        )
        self.dilation = dilation
        self.memory_shape = (channels, 2 * dilation)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        longer = torch.cat((memory, x), 2)
        hops = x.shape[2]
        # Three scaled copies: ONNX Runtime takes ten times as long over a depthwise convolution of one hop.
        weight = self.filter.weight[:, 0, :, None]
        taps = [longer[:, :, tap * self.dilation : tap * self.dilation + hops] for tap in range(3)]
        filtered = taps[0] * weight[:, 0] + taps[1] * weight[:, 1] + taps[2] * weight[:, 2]
        return x + self.mix(filtered), longer[:, :, hops:]


class AttentionPool(nn.Module):
    """A weighted mean over the last POOL_HOPS hops, whose weights say how telling each hop is.

    Silence gets little weight, so a short sound is not diluted by it (a plain mean loses six points, and more
    than the choice of encoder).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv1d(channels, 1, 1)
        self.memory_shape = (channels + 1, POOL_HOPS - 1)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.score(x).clamp(-LOGIT_LIMIT, LOGIT_LIMIT).exp()
        longer = torch.cat((memory, torch.cat((x * weight, weight), 1)), 2)
        hops = x.shape[2]
        total = torch.stack([longer[:, :, i : i + hops] for i in range(POOL_HOPS)]).sum(0)
        return total[:, :-1] / total[:, -1:], longer[:, :, longer.shape[2] - self.memory_shape[1] :]


class StreamingEncoder(nn.Module):
    """Log-mel frames to one embedding a hop (not yet of unit length)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        mels = N_MELS
        self.stem = CausalConv(1, STEM_CHANNELS, mels, stride=(2, 2))
        self.stem_act = nn.Sequential(nn.BatchNorm2d(STEM_CHANNELS), nn.Hardswish())
        mels //= 2
        self.blocks = nn.ModuleList()
        for stage in STAGES:
            self.blocks.append(InvertedResidual(stage, mels))
            mels //= stage.mel_stride
        self.flatten = nn.Sequential(
            nn.Conv1d(STAGES[-1].outputs * mels, HOP_CHANNELS, 1, bias=False),
            nn.BatchNorm1d(HOP_CHANNELS),
            nn.Hardswish(),
        )
        self.context = nn.ModuleList([DilatedHop(HOP_CHANNELS, dilation) for dilation in DILATIONS])
        self.pool = AttentionPool(HOP_CHANNELS)
        self.embed = nn.Linear(HOP_CHANNELS, dim)
        remembering = [self.stem, *self.blocks, *self.context, self.pool]
        self.memory_shapes: list[tuple[int, ...]] = [layer.memory_shape for layer in remembering]

    @property
    def state_size(self) -> int:
        """Numbers that one stream carries from hop to hop."""
        return sum(int(torch.Size(shape).numel()) for shape in self.memory_shapes)

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Advance by whole hops.

        Args:
            mel: [batch, hops * FRAMES_PER_HOP, N_MELS].
            state: [batch, state_size]; zeros for a stream that has heard nothing.

        Returns:
            Embeddings [batch, hops, dim] and the state after the last hop.
        """
        assert mel.shape[1] % FRAMES_PER_HOP == 0
        ends = (
            torch.tensor([0, *[torch.Size(shape).numel() for shape in self.memory_shapes]]).cumsum(0).tolist()
        )
        memories = [
            state[:, start:end].reshape(-1, *shape)
            for (start, end), shape in zip(pairwise(ends), self.memory_shapes, strict=True)
        ]
        after: list[Tensor] = []
        queue = iter(memories)

        def through(layer: nn.Module, x: Tensor) -> Tensor:
            y, memory = layer(x, next(queue))
            after.append(memory.flatten(1))
            return y  # type: ignore[no-any-return] # nn.Module.__call__ is untyped

        x = self.stem_act(through(self.stem, mel[:, None]))
        for block in self.blocks:
            x = through(block, x)
        x = self.flatten(x.permute(0, 1, 3, 2).flatten(1, 2))
        for block in self.context:
            x = through(block, x)
        x = through(self.pool, x)
        return self.embed(x.transpose(1, 2)), torch.cat(after, 1)


def unit(embeddings: Tensor) -> Tensor:
    """Scale to unit length along the last axis."""
    return functional.normalize(embeddings, dim=-1)
