"""Safetensors files whose weights stay on disk until they are used, and can be let go after that."""

from __future__ import annotations

import json
import mmap
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detectors.audio_models.checkpoint import tensor_header
from foundation.errors import ModelError

_TYPES = {"BF16": torch.bfloat16, "F32": torch.float32, "I8": torch.int8, "U8": torch.uint8}
ALIGNED = 64
"""Where torch's kernels want weights to begin, in bytes."""

_COLD = 20
"""MADV_COLD, which Python has no name for: where memory is short the kernel shall take these pages, not those
of layers that stay. Linux before 5.4 knows nothing of it, and refuses it."""

_READ_BYTES = 4 * 2**20


def write_aligned(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write a safetensors file whose data begin at a multiple of ALIGNED, matrices of few bits first.

    The format's own library begins them at any multiple of 8, and puts matrices of few bits last.
    """
    ordered = sorted(tensors.items(), key=lambda item: item[1].element_size())
    header: dict[str, Any] = {}
    end = 0
    names = {dtype: name for name, dtype in _TYPES.items()}
    for name, tensor in ordered:
        first, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": names[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [first, end],
        }  # fmt: skip
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % ALIGNED)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            file.write(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        file.flush()
        os.fsync(file.fileno())


class MappedFile:
    """One file. Its tensors are views of the file itself, as the kernel has it in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = tensor_header(path)
        with path.open("rb") as opened:
            # Private and writable: torch wants it so; nothing is ever written.
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
        self._start = 8 + int.from_bytes(self._map[:8], "little")
        # By way of numpy, which keeps the map open for as long as a view of it is used.
        self._bytes = torch.from_numpy(np.frombuffer(self._map, dtype=np.uint8))

    def read(self, name: str) -> Tensor:
        """Return one tensor. Raises ModelError for a type that packing does not write."""
        entry = self.header[name]
        if entry["dtype"] not in _TYPES:
            raise ModelError(f"{self.path}: {name} is {entry['dtype']}, which packing does not write")
        first, last = (self._start + offset for offset in entry["data_offsets"])
        part = self._bytes[first:last]
        # A kernel that finds its weights elsewhere ends the process; no published model's sizes lead there.
        part = part.clone() if part.data_ptr() % ALIGNED else part
        return part.view(_TYPES[entry["dtype"]]).view(entry["shape"])

    def let_go(self) -> None:
        """Give the memory back; what is used again is read again."""
        with suppress(OSError):
            self._map.madvise(_COLD)
        self._map.madvise(mmap.MADV_DONTNEED)


class InTurn:
    """Files whose modules work one after the other, over and over: each is let go when its module has worked.

    While one works the next one is fetched by a thread, which ends with the process.
    """

    def __init__(self, steps: Sequence[tuple[nn.Module, MappedFile]]) -> None:
        self._wanted: SimpleQueue[MappedFile] = SimpleQueue()
        following = [file for _, file in (*steps[1:], *steps[:1])]
        for (module, file), after in zip(steps, following, strict=True):
            module.register_forward_pre_hook(self._fetching(after))
            module.register_forward_hook(_letting_go(file))
        threading.Thread(target=self._fetch, name="weights", daemon=True).start()

    def _fetching(self, file: MappedFile) -> Any:
        def hook(*_: Any) -> None:
            self._wanted.put(file)

        return hook

    def _fetch(self) -> None:
        """Read files through once, so that the kernel has them when they are touched."""
        scratch = bytearray(_READ_BYTES)
        while True:
            with self._wanted.get().path.open("rb", buffering=0) as opened:
                while opened.readinto(scratch):
                    pass


def let_go_after_use(module: nn.Module, file: MappedFile) -> None:
    """Give a module's memory back whenever it has worked, and fetch nothing: of a table few rows are used."""
    module.register_forward_hook(_letting_go(file))


def _letting_go(file: MappedFile) -> Any:
    def hook(*_: Any) -> None:
        file.let_go()

    return hook
