"""MiMo-Audio's published folders written once as one folder of packed weights, for text output.

Each layer is a file of its own, so that it can be read and let go by itself; see `packed`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import Safetensors, TensorSource, check_inventory, fill
from detectors.audio_models.int4_layout import this_layout
from detectors.audio_models.mapped_file import write_aligned
from detectors.audio_models.memory_plan import total_bytes
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.encoder import Encoder
from detectors.audio_models.mimo.language import MEANINGLESS, PatchEncoder, Words, backbone
from detectors.audio_models.mimo.loading import (
    CODEC_FOLDER,
    at_least_int8,
    codec_shapes,
    network_shapes,
    torch_type,
)
from detectors.audio_models.mimo.packed import EMBEDDING, HEAD, REST, hearing_file, layer_file
from detectors.audio_models.mimo.sizes import codec_parts, language_parts
from detectors.audio_models.mimo.text import MimoText
from detectors.audio_models.opening import read_config
from detectors.audio_models.packed_folder import FORMAT, PACKED
from detectors.audio_models.packed_linear import fill_packed
from foundation.errors import ModelError

Progress = Callable[[int, int], None]
"""Is told of bytes written, and of how many there will be."""

ROOM_BYTES = 64_000_000
"""What a disk should have left."""


def pack_folder(folder: Path, target: Path, load: LoadOptions, progress: Progress) -> None:
    """Write the folder `target`, whole or not at all. Raises ModelError."""
    published = read_config(folder)
    if PACKED in published:
        raise ModelError(f"{folder}: is packed already; name the folder as its makers publish it")
    codec_folder = load.companions.get(CODEC_FOLDER, folder.parent / CODEC_FOLDER)
    if not codec_folder.is_dir():
        raise ModelError(f"{codec_folder}: {CODEC_FOLDER} is published apart; fetch it there")
    MimoText(folder)
    sources = Safetensors(folder), Safetensors(codec_folder)
    facts = {
        "name": folder.name,
        "codec": read_config(codec_folder),
        "sources": {
            f"{source.place.name}/{file.name}": _fingerprint(file)
            for source in sources
            for file in sorted(source.place.glob("*.safetensors"))
        },
    }
    with _whole_or_not(target) as partial:
        shutil.copyfile(folder / "tokenizer.json", partial / "tokenizer.json")
        write_packed(partial, published, facts, sources, load, progress)


def write_packed(
    folder: Path,
    published: Mapping[str, Any],
    facts: Mapping[str, Any],
    sources: tuple[TensorSource, TensorSource],
    load: LoadOptions,
    progress: Progress,
) -> None:
    """Write packed weights and their configuration into a folder that is there.

    Args:
        folder: where to.
        published: the language model's configuration.
        facts: `codec`, the tokenizer's configuration, and whatever else is to stand in the folder's.
        sources: the language model's and the tokenizer's checkpoints.
        load: bits and type; everything else is ignored.
        progress: is told how far it is.
    """
    language, codec = LanguageConfig.read(published), CodecConfig.read(facts["codec"])
    if load.weights == "full":
        raise ModelError("packing is for fewer bits: --weights int4 or int8")
    check_inventory(sources[0], network_shapes(language), ignored=MEANINGLESS)
    check_inventory(sources[1], codec_shapes(codec))
    parts = (*language_parts(language), *codec_parts(codec, levels=language.audio_channels))
    total = total_bytes(parts, load)
    free = shutil.disk_usage(folder).free
    if free < total + ROOM_BYTES:
        raise ModelError(f"{folder}: needs {total / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free there")
    written: dict[str, int] = {}
    for name, tensors in _files(language, codec, sources, load):
        write_aligned(tensors, folder / name)
        written[name] = (folder / name).stat().st_size
        progress(min(sum(written.values()), total), total)
    packed = {
        **facts,
        "format": FORMAT,
        "weights": load.weights,
        "dtype": load.dtype,
        "int4_layout": this_layout(),
        "files": written,
    }
    (folder / "config.json").write_text(json.dumps({**published, PACKED: packed}, indent=1), encoding="utf-8")


def _files(
    language: LanguageConfig,
    codec: CodecConfig,
    sources: tuple[TensorSource, TensorSource],
    load: LoadOptions,
) -> Iterator[tuple[str, Mapping[str, torch.Tensor]]]:
    """Yield each file's name and tensors, of which no more than one file's are held."""
    dtype, coarse = torch_type(load), at_least_int8(load.weights)
    layers = backbone(language, device="cpu")
    stack = cast("nn.ModuleList", layers.layers)
    for number, layer in enumerate(stack):
        prefix = f"layers.{number}."
        fill_packed(layer, sources[0], load.weights, prefix=f"model.{prefix}", dtype=dtype)
        yield layer_file(number), _named(layer, f"backbone.{prefix}")
        stack[number] = nn.Identity()
    words = Words(language)
    fill_packed(words, sources[0], load.weights, dtype=dtype, tables=True)
    yield HEAD, _named(words.lm_head, "words.lm_head.")
    words.lm_head = nn.Identity()
    yield EMBEDDING, _named(words, "words.")
    del words
    with torch.device("meta"):
        encoder = Encoder(codec, levels=language.audio_channels)
    for number, layer in enumerate(encoder.layers):
        prefix = f"encoder.layers.{number}."
        fill_packed(layer, sources[1], coarse, prefix=prefix, dtype=dtype)
        yield hearing_file(number), _named(layer, prefix)
        encoder.layers[number] = nn.Identity()
    patch_encoder = PatchEncoder(language, device="cpu")
    fill_packed(patch_encoder, sources[0], coarse, dtype=dtype)
    fill(layers, sources[0], prefix="model.", dtype=dtype)
    fill(encoder, sources[1], prefix="encoder.", dtype=dtype)
    yield (
        REST,
        _named(layers, "backbone.") | _named(encoder, "encoder.") | _named(patch_encoder, "patch_encoder."),
    )


def _named(module: nn.Module, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in module.state_dict().items()}


def _fingerprint(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return {"bytes": file.stat().st_size, "sha256": digest}


@contextmanager
def _whole_or_not(target: Path) -> Iterator[Path]:
    """Yield a folder beside `target` that becomes it when all went well, and is removed otherwise."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        if target.exists():
            raise ModelError(f"{target}: is there already; remove it, or name another folder")
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        try:
            yield partial
            partial.rename(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error}") from error
