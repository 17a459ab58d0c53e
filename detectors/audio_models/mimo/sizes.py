"""MiMo-Audio's size by part: arithmetic on its configurations, without torch."""

from __future__ import annotations

from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig


def language_parts(config: LanguageConfig) -> tuple[MemoryPart, ...]:
    """Return the language model's parts."""
    hidden, channels = config.hidden_size, config.speech_vocab_size
    words = config.vocab_size * hidden
    attention_rows = (config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim
    matrices = hidden * (attention_rows + config.num_attention_heads * config.head_dim)
    matrices += 3 * hidden * config.intermediate_size
    layer = matrices + attention_rows + 2 * hidden
    rows = attention_rows + 2 * hidden + 2 * config.intermediate_size
    seeing = _local_stack(config.input_local_dim, 4 * config.input_local_dim, config.input_local_layers)
    saying = _local_stack(config.local_dim, config.local_ffn_dim, config.local_layers)
    joined = config.group_size * config.input_local_dim * hidden
    bridge = config.input_local_dim * config.local_dim if config.local_dim != config.input_local_dim else 0
    return (
        MemoryPart(
            name="backbone",
            parameters=config.num_hidden_layers * layer + hidden,
            needed_for="text",
            quantised_parameters=config.num_hidden_layers * matrices,
            quantised_rows=config.num_hidden_layers * rows,
            pieces=config.num_hidden_layers,
            for_each_token=True,
        ),
        MemoryPart(
            name="token embedding",
            parameters=words,
            needed_for="text",
            quantised_parameters=words,
            quantised_rows=config.vocab_size,
            fewest_bits="int8",
            pieces=config.vocab_size,
        ),
        MemoryPart(
            name="text head",
            parameters=words,
            needed_for="text",
            quantised_parameters=words,
            quantised_rows=config.vocab_size,
            for_each_token=True,
        ),
        MemoryPart(
            name="patch encoder",
            parameters=seeing + joined + sum(channels) * config.input_local_dim,
            needed_for="text",
            quantised_parameters=joined
            + config.input_local_layers * 16 * config.input_local_dim * config.input_local_dim,
            quantised_rows=hidden + config.input_local_layers * 13 * config.input_local_dim,
            fewest_bits="int8",
        ),
        MemoryPart(
            name="patch decoder",
            parameters=saying + hidden * config.local_dim + sum(channels) * config.local_dim + bridge,
            needed_for="speech",
        ),
    )


def context_part(config: LanguageConfig) -> MemoryPart:
    """Return what it remembers of a conversation while it answers."""
    per_position = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
    return MemoryPart(name="1000 positions", parameters=1_000 * per_position, needed_for="text")


def codec_parts(config: CodecConfig, *, levels: int) -> tuple[MemoryPart, ...]:
    """Return the tokenizer's parts."""
    dim = config.d_model
    ears = _codec_layers(dim, config.encoder_ffn_dim, config.encoder_layers)
    ears += dim * (config.n_mels + dim) * config.kernel_size + 2 * dim
    ears += dim * dim * config.avg_pooler + 4 * dim
    voice = _codec_layers(dim, config.decoder_ffn_dim, config.decoder_layers) + 2 * dim
    voice += dim * dim * config.avg_pooler + 3 * dim
    voice += dim * config.n_mels * config.decoder_kernel_size + 3 * config.n_mels
    narrow = config.vocoder_dim
    voice += _codec_layers(narrow, config.vocoder_intermediate_dim, config.vocoder_num_layers)
    voice += config.n_mels * narrow + 2 * narrow
    voice += (narrow + 1) * (config.nfft + 2) + config.window_size
    return (
        MemoryPart(
            name="audio encoder",
            parameters=ears,
            needed_for="text",
            quantised_parameters=config.encoder_layers * (4 * dim * dim + 2 * dim * config.encoder_ffn_dim),
            quantised_rows=config.encoder_layers * (5 * dim + config.encoder_ffn_dim),
            fewest_bits="int8",
            pieces=config.encoder_layers,
        ),
        MemoryPart(name="codebooks", parameters=sum(config.codebook_size[:levels]) * dim, needed_for="text"),
        MemoryPart(name="audio decoder", parameters=voice, needed_for="speech"),
    )


def _local_stack(dim: int, hidden: int, layers: int) -> int:
    """Count a stack of Qwen2 layers with as many key as query heads."""
    return layers * (4 * dim * dim + 3 * dim + 3 * dim * hidden + 2 * dim) + dim


def _codec_layers(dim: int, hidden: int, layers: int) -> int:
    return layers * (4 * dim * dim + 3 * dim + 2 * dim * hidden + hidden + dim + 4 * dim)
