"""How torch's four-bit kernel for the CPU wants its weights laid out, which depends on the processor.

Codes 0…15 of a matrix [rows, columns] stand in blocks of rows; within a block, column after column, two rows
share a byte. Which two differs: the kernels with vectors put the first half of a block beside the second,
the plain one puts neighbours together, and so does every kernel with rows that do not fill a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from foundation.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4Layout:
    """One kernel's layout."""

    block: int
    """Rows."""
    neighbours: bool
    """Rows 0 and 1 share a byte, rather than the first of either half."""

    def pack(self, codes: Tensor) -> Tensor:
        """Return uint8 [rows, columns / 2] of codes [rows, columns], for the kernel alone to read."""
        whole = len(codes) // self.block * self.block
        parts = [_pack(codes[:whole], self.block, neighbours=self.neighbours)]
        if whole < len(codes):
            parts.append(_pack(codes[whole:], len(codes) - whole, neighbours=True))
        return torch.cat(parts).view(len(codes), -1)

    def unpack(self, packed: Tensor) -> Tensor:
        """Return the codes, uint8 [rows, columns], that were packed."""
        whole = len(packed) // self.block * self.block
        parts = [_unpack(packed[:whole], self.block, neighbours=self.neighbours)]
        if whole < len(packed):
            parts.append(_unpack(packed[whole:], len(packed) - whole, neighbours=True))
        return torch.cat(parts)


LAYOUTS = {
    "avx512": Int4Layout(block=64, neighbours=False),
    "avx2": Int4Layout(block=32, neighbours=False),
    "plain": Int4Layout(block=32, neighbours=True),
}
"""By the vectors that a kernel uses."""


@lru_cache(maxsize=1)
def this_layout() -> str:
    """Return which of LAYOUTS this processor's kernel reads, found by having torch pack a matrix.

    Raises ModelError if it is none of them.
    """
    rows, columns = 80, 4
    codes = torch.arange(rows * columns, dtype=torch.int32).view(rows, columns) * 7 % 16
    wanted = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 1)  # noqa: SLF001 - it has no public name
    for name, layout in LAYOUTS.items():
        if torch.equal(layout.pack(codes.to(torch.uint8)), wanted):
            return name
    raise ModelError("this version of torch packs four bits in a way that heard does not know: use int8")


def _pack(codes: Tensor, block: int, *, neighbours: bool) -> Tensor:
    columns = codes.shape[1]
    blocks = codes.view(-1, block, columns)
    if neighbours:
        low, high = blocks[:, 0::2], blocks[:, 1::2]
    else:
        low, high = blocks.chunk(2, dim=1)
    return (low | high << 4).transpose(1, 2).reshape(len(codes), columns // 2)


def _unpack(packed: Tensor, block: int, *, neighbours: bool) -> Tensor:
    columns = packed.shape[1] * 2
    pairs = packed.reshape(-1, columns, block // 2).transpose(1, 2)
    both = torch.stack((pairs & 15, pairs >> 4), dim=2 if neighbours else 1)
    return both.reshape(len(packed), columns)
