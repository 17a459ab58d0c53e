"""BigVGAN: from Kimi-Audio's mel to samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses

_TAPS = 12


class _Filter(nn.Module):
    """Holds a low-pass filter that the checkpoint has."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filter", torch.zeros(1, 1, _TAPS))

    def taps(self, channels: int) -> Tensor:
        """Return one copy for each channel."""
        taps: Tensor = self.get_buffer("filter")
        return taps.expand(channels, -1, -1)


class _Down(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lowpass = _Filter()


class _Snake(nn.Module):
    """A curve that repeats, with a frequency and a height for each channel, both kept as logarithms."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, signal: Tensor) -> Tensor:
        frequency, height = self.alpha.exp()[:, None], self.beta.exp()[:, None]
        return signal + torch.sin(signal * frequency) ** 2 / (height + 1e-9)


class _Curve(nn.Module):
    """Bends a signal at twice its rate, so that no new frequencies fold back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.act = _Snake(channels)
        self.upsample = _Filter()
        self.downsample = _Down()

    def forward(self, signal: Tensor) -> Tensor:
        channels = signal.shape[1]
        padded = F.pad(signal, (5, 5), mode="replicate")
        double = 2 * F.conv_transpose1d(padded, self.upsample.taps(channels), stride=2, groups=channels)
        bent = F.pad(self.act(double[..., 15:-15]), (5, 6), mode="replicate")
        return F.conv1d(bent, self.downsample.lowpass.taps(channels), stride=2, groups=channels)


class _Residual(nn.Module):
    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=dilation * (kernel - 1) // 2)
            for dilation in dilations
        )
        self.convs2 = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations
        )
        self.activations = nn.ModuleList(_Curve(channels) for _ in range(2 * len(dilations)))

    def forward(self, signal: Tensor) -> Tensor:
        curves = zip(self.activations[::2], self.activations[1::2], strict=True)
        for wide, narrow, (first, second) in zip(self.convs1, self.convs2, curves, strict=True):
            signal = signal + narrow(second(wide(first(signal))))
        return signal


class Vocoder(nn.Module):
    """From mel to samples. Modules are named as in the checkpoint."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        channels, rates = config["upsample_initial_channel"], config["upsample_rates"]
        self.rate_hz: int = config["sampling_rate"]
        self.frame_samples = math.prod(rates)
        self._tanh: bool = config["use_tanh_at_final"]
        self.conv_pre = nn.Conv1d(config["num_mels"], channels, 7, padding=3)
        self.ups = nn.ModuleList()
        self.resblocks = nn.ModuleList()
        for rate, kernel in zip(rates, config["upsample_kernel_sizes"], strict=True):
            padding = (kernel - rate) // 2
            up = nn.ConvTranspose1d(channels, channels // 2, kernel, stride=rate, padding=padding)
            self.ups.append(nn.Sequential(up))
            channels //= 2
            shapes = zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)
            self.resblocks.extend(_Residual(channels, size, dilations) for size, dilations in shapes)
        self._kernels = len(config["resblock_kernel_sizes"])
        self.activation_post = _Curve(channels)
        self.conv_post = nn.Conv1d(channels, 1, 7, padding=3, bias=config["use_bias_at_final"])

    def forward(self, mel: Tensor) -> Tensor:
        """Return samples [n * frame_samples] in −1…1 for mel [n, mels]."""
        signal: Tensor = self.conv_pre(mel.T[None])
        for stage, up in enumerate(self.ups):
            signal = up(signal)
            blocks = self.resblocks[stage * self._kernels : (stage + 1) * self._kernels]
            signal = torch.stack([block(signal) for block in blocks]).mean(0)
        samples: Tensor = self.conv_post(self.activation_post(signal))[0, 0]
        return samples.tanh() if self._tanh else samples.clamp(-1.0, 1.0)
