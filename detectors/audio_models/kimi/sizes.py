"""What Kimi-Audio needs, part by part. The sizes of its published companions are fixed."""

from __future__ import annotations

from typing import Literal

from detectors.audio_models.kimi.config import KimiConfig
from detectors.audio_models.memory_plan import MemoryPart

_WHISPER_LARGE, _VOICE_TOKENIZER = 637_000_000, 344_000_000
_FLOW, _VOCODER = 1_584_000_000, 241_000_000


def memory_parts_of(config: KimiConfig) -> tuple[MemoryPart, ...]:
    """Return the model's size by part."""
    table = config.vocabulary * config.width
    adaptor = (config.ear_width + 1 + config.width + 1 + 2) * config.width
    return (
        _layers("backbone", config, config.layers, needed_for="text"),
        MemoryPart(name="embedding", parameters=table, needed_for="text"),
        MemoryPart(
            name="text head",
            parameters=table,
            needed_for="text",
            quantised_parameters=table,
            quantised_rows=config.vocabulary,
        ),
        MemoryPart(name="adaptor", parameters=adaptor, needed_for="text"),
        MemoryPart(name="whisper-large-v3 encoder", parameters=_WHISPER_LARGE, needed_for="text"),
        MemoryPart(
            name="glm-4-voice-tokenizer", parameters=_VOICE_TOKENIZER, needed_for="text", always_float32=True
        ),
        MemoryPart(
            name="1000 positions",
            parameters=1_000 * 2 * config.layers * config.kv_heads * config.head_size,
            needed_for="text",
        ),
        _layers("audio branch", config, config.audio_layers, needed_for="speech"),
        MemoryPart(name="audio head", parameters=table, needed_for="speech"),
        MemoryPart(name="detokenizer", parameters=_FLOW, needed_for="speech"),
        MemoryPart(name="vocoder", parameters=_VOCODER, needed_for="speech"),
    )


def _layers(
    name: str, config: KimiConfig, count: int, *, needed_for: Literal["text", "speech"]
) -> MemoryPart:
    """Count a stack of Qwen2 layers and the norm behind it."""
    width, attended = config.width, (config.heads + 2 * config.kv_heads) * config.head_size
    matrices = width * (attended + config.heads * config.head_size + 3 * config.feed_forward)
    rows = attended + 2 * width + 2 * config.feed_forward
    return MemoryPart(
        name=name,
        parameters=count * (matrices + attended + 2 * width) + width,
        needed_for=needed_for,
        quantised_parameters=count * matrices,
        quantised_rows=count * rows,
    )
