"""A MiMo-Audio in its published layout, small enough to make in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor

from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.loading import codec_shapes, network_shapes
from tests.detectors.audio_models.tiny_parts import random_weights, write_byte_tokenizer

LANGUAGE: dict[str, Any] = {
    "architectures": ["MiMoAudioModel"],
    "model_type": "qwen2",
    "vocab_size": 272,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rope_theta": 640_000,
    "speech_vocab_size": "33-33-17-17",
    "speech_zeroemb_idx": "32-32-16-16",
    "delay_pattern": "0-1-2-3",
    "group_size": 4,
    "audio_channels": 4,
    "local_dim": 16,
    "local_layers": 1,
    "local_attn_heads": 2,
    "local_ffn_dim": 24,
    "input_local_layers": 1,
    "input_local_dim": 16,
    "tie_word_embeddings": False,
}
CODEC: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_skip_layer_id": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 24,
    "vocoder_dim": 8,
    "vocoder_intermediate_dim": 16,
    "vocoder_num_layers": 1,
    "vocoder_attention_heads": 2,
    "codebook_size": [32, 32, 16, 16, 16],
}


def write_mimo(folder: Path) -> Path:
    """Write both published folders; return the language model's."""
    language, codec = folder / "MiMo-Audio-7B-Instruct", folder / "MiMo-Audio-Tokenizer"
    language.mkdir(parents=True)
    codec.mkdir()
    (language / "config.json").write_text(json.dumps(LANGUAGE))
    (codec / "config.json").write_text(json.dumps(CODEC))
    words = language / "tokenizer.json"
    write_byte_tokenizer(words)
    tokenizer = Tokenizer.from_file(str(words))
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer.save(str(words))
    weights = random_weights(network_shapes(LanguageConfig.read(LANGUAGE)), seed=1)
    # Two shards with an index, as published.
    names = sorted(weights)
    shards = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in shards.items():
        save_file({name: weights[name] for name in held}, language / file)
    index = {name: file for file, held in shards.items() for name in held}
    (language / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    save_file(random_weights(codec_shapes(CodecConfig.read(CODEC)), seed=2), codec / "model.safetensors")
    return language


def rewrite(file: Path, *, without: str | None = None, extra: dict[str, Tensor] | None = None) -> None:
    """Write a safetensors file again, changed."""
    tensors = {name: tensor.clone() for name, tensor in load_file(file).items() if name != without}
    save_file(tensors | (extra or {}), file)
