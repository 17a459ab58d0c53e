"""What several families' tiny checkpoints are made of: random weights in the published layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import WhisperConfig, WhisperModel

from detectors.audio_models import Clip
from detectors.audio_models.checkpoint import Shape, shapes_of


def random_weights(shapes: Mapping[str, Shape], *, seed: int, scale: float = 0.3) -> dict[str, Tensor]:
    """Return a tensor of each shape, large enough that every part matters; norms stay near 1."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(shape, generator=generator) * scale + (1.0 if "norm" in name else 0.0)
        for name, shape in sorted(shapes.items())
    }


def write_whisper(folder: Path, *, width: int, bands: int) -> None:
    """Write a whole Whisper, decoder included, of one layer."""
    folder.mkdir(parents=True)
    config = WhisperConfig(
        vocab_size=64,
        num_mel_bins=bands,
        d_model=width,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_layers=1,
        decoder_attention_heads=2,
        decoder_ffn_dim=2 * width,
        max_target_positions=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    (folder / "config.json").write_text(json.dumps(config.to_diff_dict()))
    with torch.device("meta"):
        shapes = shapes_of(WhisperModel(config), prefix="model.")
    save_file(random_weights(shapes, seed=3), folder / "model.safetensors")


def write_byte_tokenizer(file: Path) -> None:
    """Write a tokenizer whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(file))


def noise_clip(seconds: float, *, seed: int = 0, rate_hz: int = 16_000) -> Clip:
    """Return a clip of noise."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * rate_hz)) * 0.1
    return Clip(samples=samples.astype(np.float32), rate_hz=rate_hz)
