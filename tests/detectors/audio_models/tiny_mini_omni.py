"""A mini-omni in its published layout, small enough to make in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from detectors.audio_models.checkpoint import shapes_of
from detectors.audio_models.mini_omni.codec import Codec
from detectors.audio_models.mini_omni.config import MiniOmniConfig
from detectors.audio_models.mini_omni.loading import published_shapes
from tests.detectors.audio_models.tiny_parts import random_weights, write_byte_tokenizer, write_whisper

CONFIG: dict[str, Any] = {
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_query_groups": 2,
    "head_size": 4,
    "intermediate_size": 24,
    "block_size": 160,
    "padded_vocab_size": 320 + 7 * 96,
    "text_vocab_size": 320,
    "audio_vocab_size": 96,
    "cat_audio_vocab_size": 7 * 96,
    "whisper_adapter_dim": 12,
    "norm_eps": 1e-6,
    "rope_base": 1_000_000,
    "add_qkv_bias": True,
    "bias": False,
    "parallel_residual": False,
}
CODEC: dict[str, Any] = {
    "sampling_rate": 24_000,
    "encoder_dim": 2,
    "encoder_rates": [2, 2, 2, 2],
    "decoder_dim": 16,
    "decoder_rates": [4, 3, 2, 2],
    "attn_window_size": None,
    "codebook_size": 32,
    "codebook_dim": 4,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def write_mini_omni(folder: Path, *, voice: bool = True) -> Path:
    """Write all of it into a folder, and return the folder."""
    folder.mkdir(parents=True)
    (folder / "model_config.yaml").write_text(yaml.safe_dump(CONFIG))
    torch.save(weights(), folder / "lit_model.pth")
    write_byte_tokenizer(folder / "tokenizer.json")
    write_whisper(folder / "whisper-small", width=CONFIG["whisper_adapter_dim"], bands=80)
    if voice:
        codec = folder / "snac_24khz"
        codec.mkdir()
        (codec / "config.json").write_text(json.dumps(CODEC))
        torch.save(codec_weights(), codec / "pytorch_model.bin")
    return folder


def weights() -> dict[str, Tensor]:
    """Return what `lit_model.pth` holds."""
    return random_weights(published_shapes(MiniOmniConfig.read(CONFIG)), seed=1)


def codec_weights() -> dict[str, Tensor]:
    """Return what SNAC's file holds, its weights as length and direction, and parts that are left out."""
    with torch.device("meta"):
        shapes = shapes_of(Codec(CODEC))
    whole = random_weights(shapes, seed=2)
    stored = {"encoder.block.0.bias": torch.zeros(8)}
    for name, tensor in whole.items():
        if not name.endswith(".weight") or name.endswith("codebook.weight"):
            stored[name] = tensor
            continue
        stem = name.removesuffix("weight") + "parametrizations.weight."
        stored[stem + "original0"] = tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.dim() - 1))
        stored[stem + "original1"] = tensor * 3.0
    noise = "decoder.model.2.block.2.linear.parametrizations.weight."
    return stored | {noise + "original0": torch.ones(8, 1, 1), noise + "original1": torch.ones(8, 8, 1)}
