"""MiMo-Audio out of a folder that `packing` wrote: mapped into memory whole, or layer by layer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import Shape, check_inventory, fill, shapes_of
from detectors.audio_models.int4_layout import LAYOUTS, this_layout
from detectors.audio_models.mapped_file import InTurn, MappedFile, let_go_after_use
from detectors.audio_models.memory_plan import kept_pieces
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.encoder import Encoder
from detectors.audio_models.mimo.language import PatchEncoder, Words, backbone
from detectors.audio_models.mimo.loading import Codec, Network, at_least_int8, torch_type
from detectors.audio_models.mimo.sizes import codec_parts, context_part, language_parts
from detectors.audio_models.packed_linear import Bits, empty_packed, two_in_a_byte
from foundation.errors import ModelError

EMBEDDING, HEAD, REST = "embedding.safetensors", "head.safetensors", "rest.safetensors"


def layer_file(number: int) -> str:
    """Return the file of a layer of the backbone."""
    return f"layer-{number:02d}.safetensors"


def hearing_file(number: int) -> str:
    """Return the file of a layer of the audio encoder."""
    return f"hearing-{number:02d}.safetensors"


class PackedTensors:
    """The tensors of a packed folder, mapped."""

    def __init__(self, folder: Path, packed: Mapping[str, Any], *, device: str) -> None:
        self.place = folder
        self.files: dict[str, MappedFile] = {}
        for name, size in packed["files"].items():
            file = folder / name
            if not file.is_file() or file.stat().st_size != size:
                raise ModelError(f"{file}: is missing or of another length; pack the model again")
            self.files[name] = MappedFile(file)
        self._file_of = {name: file for file in self.files.values() for name in file.header}
        self.shapes: Mapping[str, Shape] = {
            name: tuple(file.header[name]["shape"]) for name, file in self._file_of.items()
        }
        self._layout = packed["int4_layout"]
        self._elsewhere = torch.device(device).type != "cpu"

    def read(self, name: str) -> Tensor:
        """Return one tensor; four bits that are laid out for another processor are laid out anew."""
        tensor = self._file_of[name].read(name)
        if tensor.dtype is not torch.uint8:
            return tensor
        if self._elsewhere:
            return two_in_a_byte(LAYOUTS[self._layout].unpack(tensor))
        if self._layout != this_layout():
            return LAYOUTS[this_layout()].pack(LAYOUTS[self._layout].unpack(tensor))
        return tensor


def load_packed(
    folder: Path, config: Mapping[str, Any], packed: Mapping[str, Any], load: LoadOptions
) -> tuple[Network, Codec]:
    """Map a packed folder. Raises ModelError, which names the file or the tensor.

    Args:
        folder: where it lies.
        config: its configuration.
        packed: the part of it that packing wrote.
        load: with the bits that the folder has.
    """
    language, codec = LanguageConfig.read(config), CodecConfig.read(packed["codec"])
    bits, coarse = cast("Bits", load.weights), cast("Bits", at_least_int8(load.weights))
    dtype, device = torch_type(load), load.device
    words, layers = Words(language), backbone(language, device=device)
    patch_encoder = PatchEncoder(language, device=device)
    with torch.device("meta"):
        encoder = Encoder(codec, levels=language.audio_channels)
    empty_packed(words, bits, dtype, device=device, tables=True)
    empty_packed(layers, bits, dtype, device=device)
    empty_packed(patch_encoder, coarse, dtype, device=device)
    empty_packed(encoder, coarse, dtype, device=device)
    modules = {"words.": words, "backbone.": layers, "patch_encoder.": patch_encoder, "encoder.": encoder}
    source = PackedTensors(folder, packed, device=device)
    expected: dict[str, Shape] = {}
    for prefix, module in modules.items():
        expected |= shapes_of(module, prefix=prefix)
    check_inventory(source, expected)
    for prefix, module in modules.items():
        fill(module, source, prefix=prefix, dtype=dtype, device=device)
    if load.memory_bytes is not None:
        parts = (*language_parts(language), *codec_parts(codec, levels=language.audio_channels))
        kept = kept_pieces((*parts, context_part(language)), load)
        _stream(cast("nn.ModuleList", layers.layers), source.files, layer_file, kept["backbone"])
        _stream(encoder.layers, source.files, hearing_file, kept["audio encoder"])
        if kept["token embedding"] < language.vocab_size:
            let_go_after_use(words.model["embed_tokens"], source.files[EMBEDDING])
    network = Network(
        config=language, words=words, patch_encoder=patch_encoder, backbone=layers, patch_decoder=None
    )
    return network, Codec(config=codec, encoder=encoder, decoder=None)


def _stream(layers: nn.ModuleList, files: Mapping[str, MappedFile], file_of: Any, kept: int) -> None:
    """Let all layers but `kept` be read for each use, evenly among the others, so that a disk never rests."""
    count = len(layers)
    streamed = [
        number
        for number in range(count)
        if (number + 1) * (count - kept) // count > number * (count - kept) // count
    ]
    if streamed:
        InTurn([(layers[number], files[file_of(number)]) for number in streamed])
