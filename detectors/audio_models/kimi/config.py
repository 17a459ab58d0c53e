"""Kimi-Audio's sizes, read from its `config.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from foundation.errors import ModelError

STACKED_STATES = 4
"""Whisper's states that make one position: 80 ms."""

_KEYS = {
    "width": "hidden_size",
    "feed_forward": "intermediate_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "vocabulary": "vocab_size",
    "positions": "max_position_embeddings",
    "audio_offset": "kimia_token_offset",
    "audio_layers": "kimia_mimo_layers",
    "audio_from_layer": "kimia_mimo_transformer_from_layer_index",
    "audio_delay": "kimia_mimo_audiodelaytokens",
    "ear_width": "kimia_adaptor_input_dim",
}
PUBLISHED = {
    "hidden_size": 3_584,
    "intermediate_size": 18_944,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "vocab_size": 168_448,
    "max_position_embeddings": 8_192,
    "kimia_token_offset": 152_064,
    "kimia_mimo_layers": 6,
    "kimia_mimo_transformer_from_layer_index": 21,
    "kimia_mimo_audiodelaytokens": 6,
    "kimia_adaptor_input_dim": 5_120,
}
"""The sizes of Kimi-Audio-7B and -Instruct."""
_FIXED = {"hidden_act": "silu", "use_whisper_feature": True, "tie_word_embeddings": False}
"""What this implementation takes for granted; another value would be another model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KimiConfig:
    """Sizes of the language model."""

    width: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    positions: int
    audio_offset: int
    """Where audio tokens start in the one vocabulary."""
    audio_layers: int
    audio_from_layer: int
    """The audio branch is shown what this layer gives."""
    audio_delay: int
    """Steps by which speech follows its words."""
    ear_width: int
    """STACKED_STATES of Whisper side by side."""
    epsilon: float
    rope_base: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> KimiConfig:
        """Read the published configuration. Raises ModelError, which names the key."""
        for key, value in _FIXED.items():
            if config.get(key, value) != value:
                raise ModelError(f"Kimi-Audio's config.json: {key} is {config[key]}, expected {value}")
        sizes = {}
        for field, key in _KEYS.items():
            value = config.get(key)
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"Kimi-Audio's config.json: {key} is {value}, expected a whole number")
            sizes[field] = value
        return cls(
            **sizes,
            epsilon=float(config.get("rms_norm_eps", 1e-6)),
            rope_base=float(config.get("rope_theta", 1_000_000)),
        )

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads
