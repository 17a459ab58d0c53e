"""EfficientAT's mn family in torch: needed to export the authors' checkpoints, and by the training.

Architecture after Schmid et al., "Efficient Large-Scale Audio Tagging via Transformer-to-CNN Knowledge
Distillation" (arXiv 2211.04772): MobileNetV3-Large on log-mel pictures. Modules are
named as in the checkpoints.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from foundation.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockShape:
    """One inverted residual block of MobileNetV3-Large, before the width multiplier."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    hardswish: bool
    stride: int


def _shape(kernel: int, expanded: int, out: int, flags: str, stride: int) -> BlockShape:
    return BlockShape(
        kernel=kernel, expanded=expanded, out=out, squeeze="s" in flags, hardswish="h" in flags, stride=stride
    )


# Table 1 of "Searching for MobileNetV3" (arXiv 1905.02244).
BLOCKS = (
    _shape(3, 16, 16, "", 1),
    _shape(3, 64, 24, "", 2),
    _shape(3, 72, 24, "", 1),
    _shape(5, 72, 40, "s", 2),
    _shape(5, 120, 40, "s", 1),
    _shape(5, 120, 40, "s", 1),
    _shape(3, 240, 80, "h", 2),
    _shape(3, 200, 80, "h", 1),
    _shape(3, 184, 80, "h", 1),
    _shape(3, 184, 80, "h", 1),
    _shape(3, 480, 112, "hs", 1),
    _shape(3, 672, 112, "hs", 1),
    _shape(5, 672, 160, "hs", 2),
    _shape(5, 960, 160, "hs", 1),
    _shape(5, 960, 160, "hs", 1),
)


def round_to_eight(channels: float) -> int:
    """Round to a multiple of 8, never more than 10 % down (MobileNet's rule)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class SqueezeExcitation(nn.Module):
    """Scale each channel by what the whole picture holds."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_to_eight(channels // 4)
        self.conc_se_layers = nn.ModuleList(
            [nn.ModuleDict({"fc1": nn.Linear(channels, squeezed), "fc2": nn.Linear(squeezed, channels)})]
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` [batch, channels, mels, frames], scaled."""
        layer = self.conc_se_layers[0]
        assert isinstance(layer, nn.ModuleDict)
        scale = torch.sigmoid(layer["fc2"](torch.relu(layer["fc1"](x.mean((2, 3))))))
        return x * scale[:, :, None, None]


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, groups: int = 1, act: type[nn.Module] | None
) -> nn.Sequential:
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
    ]
    return nn.Sequential(*layers, act()) if act else nn.Sequential(*layers)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, perhaps squeeze, project; the input is added where shapes allow."""

    def __init__(self, inputs: int, shape: BlockShape, width: float) -> None:
        super().__init__()
        expanded, outputs = round_to_eight(shape.expanded * width), round_to_eight(shape.out * width)
        act = nn.Hardswish if shape.hardswish else nn.ReLU
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(_convolution(inputs, expanded, 1, act=act))
        layers.append(
            _convolution(expanded, expanded, shape.kernel, stride=shape.stride, groups=expanded, act=act)
        )
        if shape.squeeze:
            layers.append(SqueezeExcitation(expanded))
        layers.append(_convolution(expanded, outputs, 1, act=None))
        self.block = nn.Sequential(*layers)
        self.adds_input = shape.stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return [batch, channels, mels, frames], smaller where the block strides."""
        y: Tensor = self.block(x)
        return x + y if self.adds_input else y


class MobileNet(nn.Module):
    """The network of `width` (0.4 is mn04): pictures [batch, mels, frames] to features and logits."""

    def __init__(self, width: float) -> None:
        super().__init__()
        channels = round_to_eight(16 * width)
        features: list[nn.Module] = [_convolution(1, channels, 3, stride=2, act=nn.Hardswish)]
        for shape in BLOCKS:
            features.append(InvertedResidual(channels, shape, width))
            channels = round_to_eight(shape.out * width)
        self.dim = 6 * channels
        features.append(_convolution(channels, self.dim, 1, act=nn.Hardswish))
        self.features = nn.Sequential(*features)
        hidden = round_to_eight(1_280 * width)
        self.classifier = nn.Sequential(
            nn.Identity(),
            nn.Identity(),
            nn.Linear(self.dim, hidden),
            nn.Hardswish(),
            nn.Identity(),
            nn.Linear(hidden, 527),
        )

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return pooled features [batch, dim] and AudioSet logits [batch, 527]."""
        pooled = self.features(pictures[:, None]).mean((2, 3))
        return pooled, self.classifier(pooled)


def load_mobile_net(checkpoint: Path, width: float) -> MobileNet:
    """Load the authors' checkpoint; every tensor must be there and fit. Raises ModelError."""
    network = MobileNet(width)
    try:
        weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    except OSError as error:
        raise ModelError(f"{checkpoint} cannot be read: {error.strerror}") from error
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, AttributeError, KeyError) as error:
        first_line = str(error).partition("\n")[0]
        raise ModelError(
            f"{checkpoint} is no checkpoint of a network of width {width:g}: {first_line}"
        ) from error
    return network.eval()
