"""Weight-only quantisation: matrices of eight or four bits, multiplied by torch's own kernels for them.

torch's kernels rather than a quantisation library: they are there already, run on any CPU, and need no
compiled extension that has to fit torch's version. They have no public names.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from detectors.audio_models.memory_plan import GROUP
from foundation.errors import ModelError

_LEVELS = 15
_MIDDLE = 8
"""torch's kernel takes four bits as −8…7."""


class Int8Linear(nn.Module):
    """A linear map whose rows are int8, each with a scale of its own."""

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.float()
        scales = (weight.abs().amax(1) / 127).clamp(min=1e-12)
        self.register_buffer("weight", (weight / scales[:, None]).round().to(torch.int8))
        self.register_buffer("scales", scales.to(linear.weight.dtype))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        if x.device.type == "cpu":
            y = torch._weight_int8pack_mm(rows, self.weight, self.scales)  # noqa: SLF001 - see above
        else:
            y = (rows @ self.weight.to(x.dtype).T) * self.scales
        y = y if self.bias is None else y + self.bias
        return y.view(*x.shape[:-1], -1)


class Int4Linear(nn.Module):
    """A linear map of four bits, each GROUP weights of a row with a scale and an offset of their own."""

    weight: Tensor
    pairs: Tensor
    """Scale and offset [groups, out, 2]"""
    bias: Tensor | None

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        rows, columns = linear.weight.shape
        groups = linear.weight.float().view(rows, columns // GROUP, GROUP)
        lowest = groups.amin(-1, keepdim=True)
        scales = ((groups.amax(-1, keepdim=True) - lowest) / _LEVELS).clamp(min=1e-12)
        codes = ((groups - lowest) / scales).round().clamp(0, _LEVELS).to(torch.int32).view(rows, columns)
        self.register_buffer("weight", torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1))  # noqa: SLF001 - see above
        pairs = torch.cat((scales, lowest + _MIDDLE * scales), dim=-1).transpose(0, 1)
        self.register_buffer("pairs", pairs.contiguous().to(linear.weight.dtype))
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        y = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self.weight, GROUP, self.pairs)  # noqa: SLF001 - see above
        y = y if self.bias is None else y + self.bias
        out: Tensor = y.view(*x.shape[:-1], -1)
        return out


def pack(linear: nn.Linear, weights: Literal["int8", "int4"]) -> nn.Module:
    """Return a linear map in fewer bits. Raises ModelError where its shape or its device has no kernel."""
    if weights == "int8":
        return Int8Linear(linear)
    rows, columns = linear.weight.shape
    if linear.weight.device.type != "cpu":
        raise ModelError("`weights: int4` is built for the CPU alone; int8 works on any device")
    if rows % 16 or columns % GROUP:
        raise ModelError(
            f"a matrix of {rows} × {columns} cannot be int4: 16 must divide {rows}, and {GROUP} {columns}"
        )
    return Int4Linear(linear)


def pack_all(module: nn.Module, weights: Literal["full", "int8", "int4"]) -> None:
    """Replace every linear map inside a module, one after the other, so that only one is held twice."""
    if weights == "full":
        return
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, pack(child, weights))
        else:
            pack_all(child, weights)
