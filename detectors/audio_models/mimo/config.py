"""The numbers of MiMo-Audio's two published folders. Defaults are those of the 7B models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from foundation.errors import ModelError


def _channels(value: Any, count: int) -> tuple[int, ...]:
    """Read "1025-1025-129": one number for each channel, or one for all."""
    numbers = tuple(int(part) for part in str(value).split("-"))
    return numbers * count if len(numbers) == 1 else numbers


def _own(kind: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a configuration says of a dataclass's fields."""
    return {item.name: config[item.name] for item in fields(kind) if item.name in config}


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageConfig:
    """`config.json` of MiMo-Audio-7B-Base, -Instruct and what has their layout."""

    vocab_size: int = 151_680
    hidden_size: int = 4_096
    intermediate_size: int = 11_008
    num_hidden_layers: int = 36
    num_attention_heads: int = 32
    num_key_value_heads: int = 8
    head_dim: int = 128
    rope_theta: float = 640_000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 8_192
    group_size: int = 4
    audio_channels: int = 8
    speech_vocab_size: tuple[int, ...] = (1_025, 1_025, 129, 129, 129, 129, 129, 129)
    speech_zeroemb_idx: tuple[int, ...] = (1_024, 1_024, 128, 128, 128, 128, 128, 128)
    """Per channel: the code that stands for no audio; its embedding counts as zero."""
    delay_pattern: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6, 7)
    local_dim: int = 1_024
    local_layers: int = 16
    local_attn_heads: int = 64
    local_ffn_dim: int = 4_096
    input_local_dim: int = 1_024
    input_local_layers: int = 6

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Take what a `config.json` says. Raises ModelError where it does not fit together."""
        own = _own(cls, config)
        count = int(own.get("audio_channels", 8))
        for key in ("speech_vocab_size", "speech_zeroemb_idx", "delay_pattern"):
            if key in own:
                own[key] = _channels(own[key], count)
                if len(own[key]) != count:
                    raise ModelError(f"config.json: {key} has {len(own[key])} numbers for {count} channels")
        rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
        own["rope_theta"] = float(rope.get("rope_theta", own.get("rope_theta", cls().rope_theta)))
        if config.get("tie_word_embeddings"):
            raise ModelError("config.json: tie_word_embeddings is set, which MiMo-Audio does not have")
        return cls(**own)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecConfig:
    """`config.json` of MiMo-Audio-Tokenizer, which turns sound into codes and back."""

    d_model: int = 1_280
    n_mels: int = 128
    sampling_rate: int = 24_000
    nfft: int = 960
    hop_length: int = 240
    window_size: int = 960
    kernel_size: int = 3
    stride_size: int = 2
    avg_pooler: int = 2
    rope_theta: float = 10_000.0
    encoder_layers: int = 32
    encoder_attention_heads: int = 20
    encoder_ffn_dim: int = 5_120
    encoder_skip_layer_id: int = 3
    codebook_size: tuple[int, ...] = (1_024, 1_024, *(128,) * 18)
    decoder_layers: int = 32
    decoder_attention_heads: int = 20
    decoder_ffn_dim: int = 5_120
    decoder_kernel_size: int = 3
    decoder_stride_size: int = 2
    vocoder_dim: int = 256
    vocoder_intermediate_dim: int = 1_024
    vocoder_num_layers: int = 16
    vocoder_attention_heads: int = 16
    vocoder_attn_window_size: tuple[int, int] = (40, 10)

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Take what a `config.json` says. Raises ModelError where it asks for what is not built here."""
        built = {
            "activation_function": "gelu", "ln_type": "LayerNorm", "rope_type": "default",
            "encoder_causal": False, "decoder_causal": True, "vocoder_padding": "same",
        }  # fmt: skip
        for key, value in built.items():
            if config.get(key, value) != value:
                raise ModelError(f"MiMo-Audio-Tokenizer: {key} is {config[key]!r}, and heard knows {value!r}")
        own = _own(cls, config)
        for key in ("codebook_size", "vocoder_attn_window_size"):
            if key in own:
                own[key] = tuple(own[key])
        return cls(**own)
