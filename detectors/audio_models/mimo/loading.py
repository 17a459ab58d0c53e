"""The two published folders of MiMo-Audio: all tensors are checked, and only what is needed is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import (
    Safetensors,
    Shape,
    TensorSource,
    check_inventory,
    fill,
    shapes_of,
)
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.decoder import Decoder
from detectors.audio_models.mimo.encoder import Encoder
from detectors.audio_models.mimo.language import MEANINGLESS, PatchEncoder, Words, backbone
from detectors.audio_models.mimo.patch_decoder import PatchDecoder
from detectors.audio_models.opening import read_config
from detectors.audio_models.packed_linear import fill_packed
from foundation.errors import ModelError

Weights = Literal["full", "int8", "int4"]

CODEC_FOLDER = "MiMo-Audio-Tokenizer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The language model's parts."""

    config: LanguageConfig
    words: Words
    patch_encoder: PatchEncoder
    backbone: nn.Module
    patch_decoder: PatchDecoder | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """The tokenizer's parts."""

    config: CodecConfig
    encoder: Encoder
    decoder: Decoder | None


def load_network(folder: Path, load: LoadOptions) -> Network:
    """Read MiMo-Audio-7B-Base, -Instruct or what has their layout."""
    return build_network(LanguageConfig.read(read_config(folder)), Safetensors(folder), load)


def build_network(config: LanguageConfig, source: TensorSource, load: LoadOptions) -> Network:
    """Check all tensors, and read those that are needed."""
    device, dtype = load.device, torch_type(load)
    check_inventory(source, network_shapes(config), ignored=MEANINGLESS)
    words, layers = Words(config), backbone(config, device=device)
    patch_encoder = PatchEncoder(config, device=device)
    patch_decoder = PatchDecoder(config, device=device) if load.speech else None
    fill_packed(words, source, load.weights, dtype=dtype, device=device, tables=True)
    fill_packed(layers, source, load.weights, prefix="model.", dtype=dtype, device=device)
    fill_packed(patch_encoder, source, at_least_int8(load.weights), dtype=dtype, device=device)
    if patch_decoder is not None:
        fill(patch_decoder, source, dtype=dtype, device=device)
    return Network(
        config=config,
        words=words,
        patch_encoder=patch_encoder,
        backbone=layers,
        patch_decoder=patch_decoder,
    )


def load_codec(folder: Path, load: LoadOptions, *, levels: int) -> Codec:
    """Read MiMo-Audio-Tokenizer, of its codebooks only as many levels as the language model takes."""
    if not folder.is_dir():
        raise ModelError(f"{folder}: {CODEC_FOLDER} is published apart; fetch it there, or name its folder")
    return build_codec(CodecConfig.read(read_config(folder)), Safetensors(folder), load, levels=levels)


def build_codec(config: CodecConfig, source: TensorSource, load: LoadOptions, *, levels: int) -> Codec:
    """Check all tensors, and read those that are needed."""
    dtype = torch_type(load)
    check_inventory(source, codec_shapes(config))
    with torch.device("meta"):
        encoder = Encoder(config, levels=levels)
        decoder = Decoder(config) if load.speech else None
    fill_packed(
        encoder, source, at_least_int8(load.weights), prefix="encoder.", dtype=dtype, device=load.device
    )
    if decoder is not None:
        fill(decoder, source, prefix="decoder.", dtype=dtype, device=load.device)
    return Codec(config=config, encoder=encoder, decoder=decoder)


def network_shapes(config: LanguageConfig) -> dict[str, Shape]:
    """Return all that the language model's checkpoint holds."""
    return (
        shapes_of(Words(config))
        | shapes_of(backbone(config, device="cpu"), prefix="model.")
        | shapes_of(PatchEncoder(config, device="cpu"))
        | shapes_of(PatchDecoder(config, device="cpu"))
    )


def codec_shapes(config: CodecConfig) -> dict[str, Shape]:
    """Return all that the tokenizer's checkpoint holds, and what the codebooks' training left in it."""
    with torch.device("meta"):
        encoder, decoder = Encoder(config, levels=len(config.codebook_size)), Decoder(config)
    shapes = shapes_of(encoder, prefix="encoder.") | shapes_of(decoder, prefix="decoder.")
    for level, size in enumerate(config.codebook_size):
        prefix = f"encoder.quantizer.vq.layers.{level}._codebook."
        shapes[f"{prefix}embed_avg"] = (size, config.d_model)
        shapes[f"{prefix}cluster_size"] = (size,)
        shapes[f"{prefix}inited"] = (1,)
    return shapes


def at_least_int8(weights: Weights) -> Weights:
    """Return the bits of what hears: its codes are decided by small differences, which four bits blur."""
    return "int8" if weights == "int4" else weights


def torch_type(load: LoadOptions) -> torch.dtype:
    """Return the type that weights are turned into."""
    return torch.bfloat16 if load.dtype == "bfloat16" else torch.float32
