"""What those of the published configurations say that were confirmed in more than one public place.

Only what a size follows from. Others are planned by their folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WHISPER_LARGE_V3 = {
    "num_mel_bins": 128,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5_120,
    "d_model": 1_280,
    "max_source_positions": 1_500,
}
_QWEN2_AUDIO: Mapping[str, Any] = {
    "model_type": "qwen2_audio",
    "audio_config": {"model_type": "qwen2_audio_encoder", **_WHISPER_LARGE_V3},
    "text_config": {
        "model_type": "qwen2",
        "vocab_size": 156_032,
        "hidden_size": 4_096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "max_position_embeddings": 8_192,
    },
}
_VOXTRAL_MINI: Mapping[str, Any] = {
    "model_type": "voxtral",
    "audio_config": {"model_type": "voxtral_encoder", **_WHISPER_LARGE_V3},
    "text_config": {
        "model_type": "llama",
        "vocab_size": 131_072,
        "hidden_size": 3_072,
        "intermediate_size": 8_192,
        "num_hidden_layers": 30,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 131_072,
        "tie_word_embeddings": False,
    },
}
_GEMMA_3N_E4B: Mapping[str, Any] = {
    "model_type": "gemma3n",
    "audio_config": {"model_type": "gemma3n_audio", "hidden_size": 1_536, "conf_num_hidden_layers": 12},
    "text_config": {
        "model_type": "gemma3n_text",
        "vocab_size": 262_400,
        "vocab_size_per_layer_input": 262_144,
        "hidden_size": 2_048,
        "hidden_size_per_layer_input": 256,
        "intermediate_size": 16_384,
        "num_hidden_layers": 35,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 256,
        "num_kv_shared_layers": 15,
        "laurel_rank": 64,
        "altup_num_inputs": 4,
    },
}

CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "Qwen2-Audio-7B-Instruct": _QWEN2_AUDIO,
    "Qwen2-Audio-7B": _QWEN2_AUDIO,
    "Voxtral-Mini-3B-2507": _VOXTRAL_MINI,
    "gemma-3n-E4B-it": _GEMMA_3N_E4B,
}
"""By the name of the folder."""
