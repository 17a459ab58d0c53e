"""A Kimi-Audio in its published layout, small enough to make in a test."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import save_file
from torch import Tensor
from transformers import WhisperConfig

from detectors.audio_models.checkpoint import shapes_of
from detectors.audio_models.kimi.config import KimiConfig
from detectors.audio_models.kimi.flow import FlowConfig, FlowNetwork
from detectors.audio_models.kimi.loading import published_shapes
from detectors.audio_models.kimi.text import SpecialTokens
from detectors.audio_models.kimi.vocoder import Vocoder
from detectors.audio_models.kimi.voice_tokens import VoiceTokenizer
from tests.detectors.audio_models.tiny_parts import random_weights, write_whisper

CONFIG: dict[str, Any] = {
    "architectures": ["MoonshotKimiaForCausalLM"],
    "vocab_size": 304,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000.0,
    "max_position_embeddings": 1_024,
    "tie_word_embeddings": False,
    "kimia_mimo_layers": 2,
    "kimia_mimo_transformer_from_layer_index": 1,
    "kimia_mimo_audiodelaytokens": 6,
    "kimia_token_offset": 272,
    "kimia_adaptor_input_dim": 32,
    "use_whisper_feature": True,
}
TOKENS = SpecialTokens(
    message_end=256,
    media_begin=257,
    media_end=258,
    blank=259,
    text_end=260,
    user_start=261,
    assistant_start=262,
    text_wanted=263,
    speech_wanted=264,
)
FLOW: dict[str, Any] = {
    "mel_mean": -4.0,
    "mel_std": 2.0,
    "normalize_mel": True,
    "model": {
        "dit": {
            "depth": 1,
            "hidden_size": 16,
            "input_size": 4,
            "mlp_ratio": 2.0,
            "num_heads": 2,
            "rope_params": {"max_position_embeddings": 1_400, "rope_base": 10_000},
            "semantic_vocab_size": 32,
        }
    },
}
VOCODER: dict[str, Any] = {
    "resblock": "1",
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 4,
    "upsample_rates": [3, 2],
    "upsample_kernel_sizes": [5, 4],
    "upsample_initial_channel": 8,
    "resblock_kernel_sizes": [3],
    "resblock_dilation_sizes": [[1, 3]],
    "sampling_rate": 24_000,
    "use_tanh_at_final": False,
    "use_bias_at_final": False,
}
VOICE_TOKENIZER: dict[str, Any] = {
    "model_type": "whisper",
    "vocab_size": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
    "num_mel_bins": 128,
    "d_model": 8,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "max_source_positions": 1_500,
    "encoder_causal_convolution": True,
    "encoder_causal_attention": False,
    "quantize_causal_block_size": 40,
    "quantize_position": 1,
    "quantize_vocab_size": 32,
    "pooling_kernel_size": 4,
    "pooling_position": 1,
    "pooling_type": "avg",
}


def write_kimi(folder: Path) -> Path:
    """Write what text output needs into a folder and one beside it, and return the folder."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_shards(folder, weights())
    ranks = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    (folder / "tiktoken.model").write_text("\n".join(ranks))
    write_whisper(folder / "whisper-large-v3", width=8, bands=128)
    tokenizer = folder.parent / "glm-4-voice-tokenizer"
    tokenizer.mkdir()
    (tokenizer / "config.json").write_text(json.dumps(VOICE_TOKENIZER))
    with torch.device("meta"):
        shapes = shapes_of(VoiceTokenizer(WhisperConfig(**VOICE_TOKENIZER, attn_implementation="sdpa")))
    stored = random_weights(shapes, seed=5) | {"ema_count": torch.zeros(32)}
    save_file(stored, tokenizer / "model.safetensors")
    return folder


def weights() -> dict[str, Tensor]:
    """Return what the language model's shards hold, with buffers that nobody reads."""
    computed = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4)}
    return random_weights(published_shapes(KimiConfig.read(CONFIG)), seed=4) | computed


def write_shards(folder: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as two shards and their index."""
    names = sorted(tensors)
    shards = {"model-1-of-1.safetensors": names[::2], "model-2-of-2.safetensors": names[1::2]}
    for file, held in shards.items():
        save_file({name: tensors[name].contiguous() for name in held}, folder / file)
    index = {name: file for file, held in shards.items() for name in held}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))


def write_voice(folder: Path) -> None:
    """Add what speech takes, as published: beside states of training, and weights as length and direction."""
    with torch.device("meta"):
        flow, vocoder = FlowNetwork(FlowConfig.read(FLOW)), Vocoder(VOCODER)
    for name in ("audio_detokenizer", "vocoder"):
        (folder / name).mkdir()
    (folder / "audio_detokenizer/config.yaml").write_text(yaml.safe_dump(FLOW))
    (folder / "vocoder/config.json").write_text(json.dumps(VOCODER))
    flowing = random_weights(shapes_of(flow, prefix="speech_model."), seed=6)
    trained = {"state_dict": flowing, "optimizer_states": [{"step": 1}]}
    torch.save(trained, folder / "audio_detokenizer/model.pt")
    stored: dict[str, Tensor] = {}
    for name, tensor in random_weights(shapes_of(vocoder), seed=7).items():
        if name.endswith(".weight"):
            length = tensor.flatten(1).norm(dim=1).view(-1, *[1] * (tensor.dim() - 1))
            stored |= {f"{name}_g": length, f"{name}_v": tensor * 2.0}
        else:
            stored[name] = tensor
    torch.save({"generator": stored}, folder / "vocoder/model.pt")
