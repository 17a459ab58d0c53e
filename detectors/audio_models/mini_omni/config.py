"""mini-omni's sizes, read from its `model_config.yaml`, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detectors.audio_models.memory_plan import MemoryPart
from foundation.errors import ModelError

STREAMS = 7
"""Of audio tokens, beside one of text."""
RESERVED = 64
"""Ids at the end of each vocabulary that are not words or sounds."""

_WHISPER_LAYERS = {384: 4, 512: 6, 768: 12, 1024: 24, 1280: 32}
"""Encoder layers of OpenAI's sizes, tiny to large, by width."""
_MELS, _WHISPER_POSITIONS = 80, 1500
_CODEC_PARAMETERS = 13_000_000
"""SNAC's decoder and quantiser, 24 kHz; its configuration is in another folder."""

_KEYS = {
    "width": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "kv_heads": "n_query_groups",
    "head_size": "head_size",
    "feed_forward": "intermediate_size",
    "positions": "block_size",
    "vocabulary": "padded_vocab_size",
    "text_vocabulary": "text_vocab_size",
    "audio_vocabulary": "audio_vocab_size",
    "ear_width": "whisper_adapter_dim",
}
_FIXED = {
    "add_qkv_bias": True,
    "bias": False,
    "parallel_residual": False,
    "rotary_percentage": 1.0,
    "norm_class_name": "RMSNorm",
    "mlp_class_name": "LLaMAMLP",
    "asr_adapter": "llamamlp",
}
"""What this implementation takes for granted; another value would be another model."""


PUBLISHED = {
    "n_embd": 896,
    "n_layer": 24,
    "n_head": 14,
    "n_query_groups": 2,
    "head_size": 64,
    "intermediate_size": 4_864,
    "block_size": 2_048,
    "padded_vocab_size": 181_120,
    "text_vocab_size": 152_000,
    "audio_vocab_size": 4_160,
    "whisper_adapter_dim": 768,
}
"""The sizes of gpt-omni/mini-omni."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniOmniConfig:
    """Sizes of the network."""

    width: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    feed_forward: int
    positions: int
    vocabulary: int
    text_vocabulary: int
    audio_vocabulary: int
    ear_width: int
    epsilon: float
    rope_base: float

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> MiniOmniConfig:
        """Read litgpt's configuration. Raises ModelError, which names the key."""
        for key, value in _FIXED.items():
            if config.get(key, value) != value:
                raise ModelError(f"mini-omni's model_config.yaml: {key} is {config[key]}, expected {value}")
        sizes = {}
        for field, key in _KEYS.items():
            value = config.get(key)
            if not isinstance(value, int) or value < 1:
                raise ModelError(f"mini-omni's model_config.yaml: {key} is {value}, expected a whole number")
            sizes[field] = value
        read = cls(
            **sizes,
            epsilon=float(config.get("norm_eps", 1e-6)),
            rope_base=float(config.get("rope_base", 1_000_000)),
        )
        if read.text_vocabulary + STREAMS * read.audio_vocabulary != read.vocabulary:
            raise ModelError(
                f"mini-omni's model_config.yaml: padded_vocab_size is {read.vocabulary}, expected"
                f" text_vocab_size and {STREAMS} audio_vocab_size together"
            )
        return read

    @property
    def attention_rows(self) -> int:
        """Rows of the matrix that makes queries, keys and values."""
        return (self.heads + 2 * self.kv_heads) * self.head_size


def memory_parts_of(config: MiniOmniConfig) -> tuple[MemoryPart, ...]:
    """Return the model's size by part; none is worth quantising at this size."""
    width, rows = config.width, config.attention_rows
    layer = (
        rows * (width + 1)
        + width * config.heads * config.head_size
        + 3 * width * config.feed_forward
        + 2 * width
    )
    ears = config.ear_width
    ear_layers = _WHISPER_LAYERS.get(ears, max(1, ears // 64))
    # Per layer: four matrices of which one has no bias, a feed-forward of four widths, two norms.
    ear_layer = 4 * ears**2 + 3 * ears + 8 * ears**2 + 5 * ears + 4 * ears
    whisper = (
        ear_layers * ear_layer
        + (3 * _MELS + 1) * ears
        + (3 * ears + 1) * ears
        + (_WHISPER_POSITIONS + 2) * ears
    )
    text_rows, audio_rows = config.text_vocabulary, STREAMS * config.audio_vocabulary
    return (
        MemoryPart(name="backbone", parameters=config.layers * layer + width, needed_for="text"),
        MemoryPart(name="embedding", parameters=config.vocabulary * width, needed_for="text"),
        MemoryPart(name="text head", parameters=text_rows * width, needed_for="text"),
        MemoryPart(name="adapter", parameters=(2 * ears + width) * config.feed_forward, needed_for="text"),
        MemoryPart(name="whisper-small encoder", parameters=whisper, needed_for="text"),
        MemoryPart(name="audio heads", parameters=audio_rows * width, needed_for="speech"),
        MemoryPart(name="snac_24khz", parameters=_CODEC_PARAMETERS, needed_for="speech", always_float32=True),
    )
