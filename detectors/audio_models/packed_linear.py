"""Weight-only quantisation: matrices of eight or four bits, multiplied by torch's own kernels for them.

torch's kernels rather than a quantisation library: they are there already, run on any CPU, and need no
compiled extension that has to fit torch's version. They have no public names. They are made for a few rows;
many rows at once (a prompt, a batch of clips) are faster with the weights made whole again block by block.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.audio_models.checkpoint import TensorSource, fill
from detectors.audio_models.int4_layout import LAYOUTS, this_layout
from detectors.audio_models.memory_plan import GROUP
from foundation.errors import ModelError

Bits = Literal["int8", "int4"]

_LEVELS = 15
_MIDDLE = 8
"""torch's kernel takes four bits as −8…7."""

MANY_INT8_ROWS = 64
MANY_INT4_ROWS = 128
"""From how many rows on weights are made whole, in float32: measured on a CPU with AVX-512, one thread."""

_INT8_STEP = 16
"""The kernel reads so many columns at once, and past the end of a row that they do not divide."""

_BLOCK = 512
"""Rows of a matrix that are made whole at once: they should fit into a core's cache."""


_TAKEN = 8_192
"""Rows that are packed at once, whole blocks of every layout: in between they are held in float32."""


class Packed(Protocol):
    """A packed map, made empty, whose tensors come from a file or from a whole one."""

    def take(self, weight: Tensor) -> None:
        """Hold a whole matrix in fewer bits."""


class Int8Linear(nn.Module):
    """A linear map whose rows are int8, each with a scale of its own."""

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(self, columns: int, rows: int, *, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(rows, columns, dtype=torch.int8))
        self.register_buffer("scales", torch.empty(rows, dtype=dtype))
        self.register_buffer("bias", torch.empty(rows, dtype=dtype) if bias else None)

    def take(self, weight: Tensor) -> None:
        """Hold a whole matrix in fewer bits."""
        parts = [_rows_of_int8(rows) for rows in torch.split(weight, _TAKEN)]
        self.weight, self.scales = (torch.cat(part) for part in zip(*parts, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        if x.device.type != "cpu":
            y = (rows @ self.weight.to(x.dtype).T) * self.scales
        elif len(rows) < MANY_INT8_ROWS and not x.shape[-1] % _INT8_STEP:
            y = torch._weight_int8pack_mm(rows, self.weight, self.scales)  # noqa: SLF001 - see above
        else:
            y = self._many(rows.float()).to(x.dtype)
        y = y if self.bias is None else y + self.bias
        return y.view(*x.shape[:-1], -1)

    def _many(self, rows: Tensor) -> Tensor:
        y = rows.new_empty(len(rows), len(self.weight))
        for start in range(0, len(self.weight), _BLOCK):
            block = self.weight[start : start + _BLOCK].float()
            torch.mm(rows, block.T, out=y[:, start : start + _BLOCK])
        return y.mul_(self.scales.float())


class Int4Linear(nn.Module):
    """A linear map of four bits, each GROUP weights of a row with a scale and an offset of their own; CPU."""

    weight: Tensor
    """As the kernel of this processor reads it [out, in / 2]"""
    pairs: Tensor
    """Scale and offset [groups, out, 2]"""
    bias: Tensor | None

    def __init__(self, columns: int, rows: int, *, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        _check_int4(rows, columns)
        self.register_buffer("weight", torch.empty(rows, columns // 2, dtype=torch.uint8))
        self.register_buffer("pairs", torch.empty(columns // GROUP, rows, 2, dtype=dtype))
        self.register_buffer("bias", torch.empty(rows, dtype=dtype) if bias else None)

    def take(self, weight: Tensor) -> None:
        """Hold a whole matrix in fewer bits."""
        layout = LAYOUTS[this_layout()]
        self.weight, self.pairs = _taken(weight, layout.pack)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        rows = x.reshape(-1, x.shape[-1])
        if len(rows) < MANY_INT4_ROWS:
            y = torch.ops.aten._weight_int4pack_mm_for_cpu(rows, self.weight, GROUP, self.pairs)  # noqa: SLF001 - see above
        else:
            y = self._many(rows.float()).to(x.dtype)
        y = y if self.bias is None else y + self.bias
        out: Tensor = y.view(*x.shape[:-1], -1)
        return out

    def _many(self, rows: Tensor) -> Tensor:
        layout, count = LAYOUTS[this_layout()], len(self.weight)
        y = rows.new_empty(len(rows), count)
        for start in range(0, count, _BLOCK):
            part = slice(start, start + _BLOCK)
            block = _whole(layout.unpack(self.weight[part]), self.pairs[:, part], rows.dtype)
            torch.mm(rows, block.T, out=y[:, part])
        return y


class PlainInt4Linear(nn.Module):
    """The same numbers on any device: by plain operations, which make each matrix whole for each use."""

    weight: Tensor
    """Two columns in a byte [out, in / 2]"""
    pairs: Tensor
    """Scale and offset [groups, out, 2]"""
    bias: Tensor | None

    def __init__(self, columns: int, rows: int, *, bias: bool, dtype: torch.dtype) -> None:
        super().__init__()
        _check_int4(rows, columns)
        self.register_buffer("weight", torch.empty(rows, columns // 2, dtype=torch.uint8))
        self.register_buffer("pairs", torch.empty(columns // GROUP, rows, 2, dtype=dtype))
        self.register_buffer("bias", torch.empty(rows, dtype=dtype) if bias else None)

    def take(self, weight: Tensor) -> None:
        """Hold a whole matrix in fewer bits."""
        self.weight, self.pairs = _taken(weight, two_in_a_byte)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        codes = torch.stack((self.weight & 15, self.weight >> 4), dim=-1).view(len(self.weight), -1)
        return functional.linear(x, _whole(codes, self.pairs, x.dtype), self.bias)


class Int8Embedding(nn.Module):
    """A table whose rows are int8, each with a scale of its own, made whole as they are looked up."""

    weight: Tensor
    scales: Tensor

    def __init__(self, rows: int, columns: int, *, dtype: torch.dtype) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(rows, columns, dtype=torch.int8))
        self.register_buffer("scales", torch.empty(rows, dtype=dtype))

    def take(self, weight: Tensor) -> None:
        """Hold a whole table in fewer bits."""
        parts = [_rows_of_int8(rows) for rows in torch.split(weight, _TAKEN)]
        self.weight, self.scales = (torch.cat(part) for part in zip(*parts, strict=True))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return [..., columns] of [...] row numbers."""
        scales = self.scales[tokens].unsqueeze(-1)
        return self.weight[tokens].to(scales.dtype) * scales


def pack(whole: nn.Module, bits: Bits) -> nn.Module:
    """Return a linear map or a table in fewer bits. Raises ModelError where its shape has no kernel."""
    weight, bias = cast("Tensor", whole.weight), cast("Tensor | None", getattr(whole, "bias", None))
    with torch.device("meta"):
        packed = _empty(whole, bits, weight.dtype, weight.device.type)
    cast("Packed", packed).take(weight.detach())
    if bias is not None:
        packed.register_buffer("bias", bias.detach())
    return packed


def pack_all(module: nn.Module, weights: Literal["full", "int8", "int4"]) -> None:
    """Replace every linear map inside a module, one after the other, so that only one is held twice."""
    if weights == "full":
        return
    for name, child in _packable(module, tables=False):
        module.set_submodule(name, pack(child, weights))


def fill_packed(
    module: nn.Module,
    source: TensorSource,
    weights: Literal["full", "int8", "int4"],
    *,
    prefix: str = "",
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    tables: bool = False,
) -> None:
    """As `checkpoint.fill`, each linear map packed as soon as it is read: only one is ever held whole.

    With `tables`, embeddings are packed as well, always as int8.
    """
    if weights != "full":
        for name, child in _packable(module, tables=tables):
            fill(child, source, prefix=f"{prefix}{name}.", dtype=dtype, device=device)
            module.set_submodule(name, pack(child, weights))
    fill(module, source, prefix=prefix, dtype=dtype, device=device, rest=weights != "full")


def empty_packed(
    module: nn.Module, bits: Bits, dtype: torch.dtype, *, device: str, tables: bool = False
) -> None:
    """Turn a module on the device `meta` into what `fill_packed` would make of it, still without weights."""
    for name, child in _packable(module, tables=tables):
        with torch.device("meta"):
            module.set_submodule(name, _empty(child, bits, dtype, torch.device(device).type))


def _packable(module: nn.Module, *, tables: bool) -> list[tuple[str, nn.Module]]:
    kinds = (nn.Linear, nn.Embedding) if tables else (nn.Linear,)
    return [(name, child) for name, child in module.named_modules() if isinstance(child, kinds)]


def _empty(whole: nn.Module, bits: Bits, dtype: torch.dtype, device: str) -> nn.Module:
    rows, columns = cast("Tensor", whole.weight).shape
    if isinstance(whole, nn.Embedding):
        return Int8Embedding(rows, columns, dtype=dtype)
    bias = whole.bias is not None
    if bits == "int8":
        return Int8Linear(columns, rows, bias=bias, dtype=dtype)
    kind = Int4Linear if device == "cpu" else PlainInt4Linear
    return kind(columns, rows, bias=bias, dtype=dtype)


def two_in_a_byte(codes: Tensor) -> Tensor:
    """Return what `PlainInt4Linear` holds of codes [rows, columns]."""
    return codes[:, 0::2] | codes[:, 1::2] << 4


def _whole(codes: Tensor, pairs: Tensor, dtype: torch.dtype) -> Tensor:
    """Make a matrix whole again, of codes [rows, columns] and pairs [groups, rows, 2]."""
    scales, middles = pairs.to(dtype).permute(2, 1, 0).unsqueeze(-1)
    groups = codes.to(dtype).sub_(_MIDDLE).view(len(codes), -1, GROUP)
    return groups.mul_(scales).add_(middles).flatten(1)


def _check_int4(rows: int, columns: int) -> None:
    if rows % 16 or columns % GROUP:
        raise ModelError(
            f"a matrix of {rows} × {columns} cannot be int4: 16 must divide {rows}, and {GROUP} {columns}"
        )


def _rows_of_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    whole = weight.float()
    # Rounded first, so that codes make up for what the scales lose in bfloat16.
    scales = (whole.abs().amax(1) / 127).clamp(min=1e-12).to(weight.dtype)
    codes = (whole / scales.float()[:, None]).round().clamp(-127, 127)
    return codes.to(torch.int8), scales


def _taken(weight: Tensor, laid_out: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Return a matrix of four bits, and its pairs [groups, rows, 2]."""
    parts, pairs = [], []
    for rows in torch.split(weight, _TAKEN):
        codes, scales, middles = _groups_of_int4(rows)
        parts.append(laid_out(codes))
        pairs.append(torch.stack((scales, middles), dim=-1).transpose(0, 1))
    return torch.cat(parts), torch.cat(pairs, dim=1).contiguous()


def _groups_of_int4(weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return codes 0…15 [rows, columns], and each group's scale and what code 8 stands for [rows, groups]."""
    rows, columns = weight.shape
    groups = weight.float().view(rows, columns // GROUP, GROUP)
    lowest, highest = groups.amin(-1), groups.amax(-1)
    scales = ((highest - lowest) / _LEVELS).clamp(min=1e-12).to(weight.dtype)
    middles = (lowest + _MIDDLE * scales.float()).to(weight.dtype)
    steps = (groups - middles.float().unsqueeze(-1)) / scales.float().unsqueeze(-1)
    codes = (steps.round() + _MIDDLE).clamp(0, _LEVELS).to(torch.uint8)
    return codes.view(rows, columns), scales, middles
