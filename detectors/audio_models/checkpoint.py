"""Checkpoints, read so that nothing is silently dropped: every tensor is expected, or refused by its name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from foundation.errors import ModelError

Shape = tuple[int, ...]


class TensorSource(Protocol):
    """Named tensors on disk, of which each is read when it is wanted."""

    @property
    def place(self) -> Path:
        """File or folder, for messages."""

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """All tensors there are, known without reading them."""

    def read(self, name: str) -> Tensor:
        """Return one tensor, in the file's own type; memory-mapped where the format allows it."""


class Safetensors:
    """One safetensors file, or a folder of them with its index."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._file_of = dict(_files(place))
        headers = {file: tensor_header(file) for file in dict.fromkeys(self._file_of.values())}
        listed = {(name, file) for name, file in self._file_of.items()}
        for file, header in headers.items():
            for name in header:
                if (name, file) not in listed:
                    raise ModelError(f"{file}: holds {name}, which the index of {place} does not have there")
        for name, file in self._file_of.items():
            if name not in headers[file]:
                raise ModelError(f"{file}: {name} is missing, which the index of {place} has there")
        self.shapes: Mapping[str, Shape] = {
            name: tuple(headers[file][name]["shape"]) for name, file in self._file_of.items()
        }

    def read(self, name: str) -> Tensor:
        """Return one tensor."""
        file = self._file_of[name]
        try:
            with safe_open(file, framework="pt") as opened:
                tensor: Tensor = opened.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{file}: {name} cannot be read: {error}") from error
        return tensor


class Pickled:
    """A file of `torch.save`, read without running any code in it. `key` names the state dict inside."""

    def __init__(self, place: Path, *, key: str | None = None, prefix: str = "") -> None:
        self.place = place
        try:
            content = torch.load(place, map_location="cpu", weights_only=True, mmap=True)
        except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
            raise ModelError(
                f"{place}: not a checkpoint that torch can read, or cut short: {error}"
            ) from error
        if key is not None:
            content = content.get(key) if isinstance(content, dict) else None
        if not isinstance(content, dict):
            raise ModelError(f"{place}: holds no state dict{f' under {key!r}' if key else ''}")
        self._tensors: dict[str, Tensor] = {
            name.removeprefix(prefix): value
            for name, value in content.items()
            if isinstance(value, Tensor) and name.startswith(prefix)
        }
        self.shapes: Mapping[str, Shape] = {name: tuple(value.shape) for name, value in self._tensors.items()}

    def read(self, name: str) -> Tensor:
        """Return one tensor."""
        return self._tensors[name]


def shapes_of(module: nn.Module, *, prefix: str = "") -> dict[str, Shape]:
    """Return what a module's checkpoint holds; build the module on the device `meta` and it costs nothing."""
    return {f"{prefix}{name}": tuple(value.shape) for name, value in module.state_dict().items()}


def check_inventory(
    source: TensorSource, expected: Mapping[str, Shape], *, ignored: Sequence[str] = ()
) -> None:
    """Refuse a checkpoint that lacks a tensor, has one too many, or one of another shape.

    Args:
        source: the checkpoint.
        expected: every tensor that the whole model has, parts that will not be loaded included.
        ignored: regular expressions for whole names that may be there and carry nothing (buffers).

    Raises:
        ModelError: names the first such tensors.
    """
    found = source.shapes
    missing = [name for name in expected if name not in found]
    if missing:
        raise ModelError(f"{source.place}: {_some(missing)} missing: cut short, or another model")
    known = re.compile("|".join(ignored)) if ignored else None
    extra = [name for name in found if name not in expected and not (known and known.fullmatch(name))]
    if extra:
        raise ModelError(
            f"{source.place}: {_some(extra)} not part of this model: another model, or a newer one"
        )
    for name, shape in expected.items():
        if found[name] != shape:
            raise ModelError(
                f"{source.place}: {name} has shape {list(found[name])}, its configuration says {list(shape)}"
            )


def fill(
    module: nn.Module,
    source: TensorSource,
    *,
    prefix: str = "",
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    rest: bool = False,
) -> None:
    """Give a module built on the device `meta` its weights, and set it to inference.

    Args:
        module: its names, after `prefix`, are those of the checkpoint, checked by `check_inventory` before.
        source: the checkpoint.
        prefix: what stands before the module's names in the checkpoint.
        dtype: what floating-point tensors are turned into; None keeps the file's.
        device: where they go.
        rest: leave what has its weights already as it is.
    """
    weights = {}
    for name, held in module.state_dict().items():
        tensor = source.read(prefix + name) if held.is_meta or not rest else held
        wanted = dtype if tensor.is_floating_point() else None
        weights[name] = tensor.to(device=device, dtype=wanted)
    module.load_state_dict(weights, strict=True, assign=True)
    module.eval().requires_grad_(requires_grad=False)
    left = [name for name, value in (*module.named_parameters(), *module.named_buffers()) if value.is_meta]
    assert not left, f"no weights for {left}"  # buffers outside the state dict are the builder's to make


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    verb = "is" if len(names) == 1 else "are"
    return f"{shown} {verb}" if len(names) <= 3 else f"{shown} and {len(names) - 3} more {verb}"


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """Yield each tensor's name and file."""
    if place.is_file():
        yield from ((name, place) for name in tensor_header(place))
        return
    index = place / "model.safetensors.index.json"
    if not index.is_file():
        single = place / "model.safetensors"
        if not single.is_file():
            raise ModelError(f"{place}: neither {index.name} nor {single.name} is there")
        yield from ((name, single) for name in tensor_header(single))
        return
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        named = [(str(name), place / str(file)) for name, file in weight_map.items()]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"{index}: not an index of safetensors files: {error}") from error
    yield from named


def tensor_header(file: Path) -> dict[str, Any]:
    """Read what a file says it holds, and check that its data are all there."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            size = file.stat().st_size
            if length > size:
                raise ModelError(f"{file}: not a safetensors file, or cut short before its first tensor")
            header = json.loads(opened.read(length))
    except OSError as error:
        raise ModelError(f"{file}: cannot be read: {error}") from error
    except ValueError as error:
        raise ModelError(f"{file}: not a safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise ModelError(f"{file}: not a safetensors file")
    header.pop("__metadata__", None)
    for name, entry in sorted(header.items(), key=lambda item: int(item[1]["data_offsets"][1])):
        if 8 + length + int(entry["data_offsets"][1]) > size:
            raise ModelError(f"{file}: cut short inside {name}; fetch it again")
    return header
