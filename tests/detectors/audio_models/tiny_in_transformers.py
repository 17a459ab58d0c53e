"""Tiny models of transformers with random weights, written as their makers publish theirs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Qwen2_5OmniProcessor,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen3OmniMoeProcessor,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)
from transformers.utils import logging as transformers_logging

BANDS = 16
KINDS = ("qwen2_audio", "audioflamingo3", "glmasr", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}"
    "{% if c.type == 'audio' %}SOUND{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TEXT = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "max_position_embeddings": 2_048,
}  # fmt: skip
_WHISPER = {
    "d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 16,
    "num_mel_bins": BANDS, "max_source_positions": 1_500,
}  # fmt: skip
_ENCODER = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64,
    "num_mel_bins": BANDS, "max_source_positions": 1_500,
}  # fmt: skip


def write(kind: str, folder: Path) -> Any:
    """Write a model into a folder; return its processor where it cannot be written beside it, else None."""
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(8)
    network, processor = _MAKERS[kind]()
    network.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    for weight in network.parameters():
        # Large enough that every part matters, sound included.
        weight.data.mul_(8.0) if weight.dim() > 1 else None
    network.save_pretrained(folder)
    if kind in {"qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"}:
        return processor
    processor.save_pretrained(folder)
    return None


def _tokenizer(*special: str, **named: str) -> PreTrainedTokenizerFast:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={byte: i for i, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        extra_special_tokens=named or ["<|im_start|>", *special],
    )


def _qwen2_audio() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    config = Qwen2AudioConfig(
        audio_config=_WHISPER,
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
    )
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    return Qwen2AudioForConditionalGeneration(config), Qwen2AudioProcessor(extractor, tokenizer)


def _audio_flamingo() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<sound>")
    config = AudioFlamingo3Config(
        audio_config=_ENCODER,
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        audio_token_id=tokenizer.convert_tokens_to_ids("<sound>"),
    )
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    template = _TEMPLATE.replace("SOUND", "<sound>")
    processor = AudioFlamingo3Processor(extractor, tokenizer, chat_template=template)
    return AudioFlamingo3ForConditionalGeneration(config), processor


def _glm_asr() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<|hear|>")
    config = GlmAsrConfig(
        audio_config=_ENCODER | {"num_key_value_heads": 2, "max_position_embeddings": 1_500},
        text_config={"model_type": "llama", "vocab_size": len(tokenizer), **_TEXT},
        audio_token_id=tokenizer.convert_tokens_to_ids("<|hear|>"),
    )
    template = _TEMPLATE.replace("SOUND", "<|hear|>")
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    processor = GlmAsrProcessor(extractor, tokenizer, audio_token="<|hear|>", chat_template=template)
    return GlmAsrForConditionalGeneration(config), processor


_OMNI_TOKENS = {
    "audio_token": "<|AUDIO|>",
    "audio_bos_token": "<|audio_bos|>",
    "audio_eos_token": "<|audio_eos|>",
    "image_token": "<|IMAGE|>",
    "video_token": "<|VIDEO|>",
    "vision_bos_token": "<|vision_bos|>",
    "vision_eos_token": "<|vision_eos|>",
}


class _HearsOnly:
    """An Omni processor without its eyes, which need torchvision."""

    def __init__(
        self, feature_extractor: Any = None, tokenizer: Any = None, chat_template: Any = None
    ) -> None:
        for name, token in _OMNI_TOKENS.items():
            setattr(self, name, token)
            setattr(self, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
        ProcessorMixin.__init__(self, feature_extractor, tokenizer, chat_template=chat_template)


class _Omni2Hears(_HearsOnly, Qwen2_5OmniProcessor):  # type: ignore[misc] # mypy does not follow transformers
    """Qwen2.5-Omni's."""


class _Omni3Hears(_HearsOnly, Qwen3OmniMoeProcessor):  # type: ignore[misc] # mypy does not follow transformers
    """Qwen3-Omni's."""


def _omni_thinker() -> tuple[Any, Any]:
    tokenizer = _tokenizer(**_OMNI_TOKENS)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _OMNI_TOKENS.items()}
    config = Qwen2_5OmniThinkerConfig(
        audio_config={**_WHISPER, "n_window": 100, "output_dim": 16},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 16,
            "out_hidden_size": 16,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "rope_scaling": {"rope_type": "default", "mrope_section": [1, 1, 2]},
            **_TEXT,
        },
        audio_token_index=ids["audio_token"],
        image_token_index=ids["image_token"],
        video_token_index=ids["video_token"],
        audio_start_token_id=ids["audio_bos_token"],
        audio_end_token_id=ids["audio_eos_token"],
        vision_start_token_id=ids["vision_bos_token"],
        vision_end_token_id=ids["vision_eos_token"],
    )
    template = _TEMPLATE.replace("SOUND", "<|audio_bos|><|AUDIO|><|audio_eos|>")
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    processor = _Omni2Hears(extractor, tokenizer, chat_template=template)
    return Qwen2_5OmniThinkerForConditionalGeneration(config), processor


def _omni3_thinker() -> tuple[Any, Any]:
    tokenizer = _tokenizer(**_OMNI_TOKENS)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _OMNI_TOKENS.items()}
    config = Qwen3OmniMoeThinkerConfig(
        audio_config={**_WHISPER, "n_window": 50, "output_dim": 16, "downsample_hidden_size": 4},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 16,
            "out_hidden_size": 16,
            "deepstack_visual_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1],
                "mrope_interleaved": True,
            },
            "moe_intermediate_size": 16,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            **_TEXT,
        },
        audio_token_id=ids["audio_token"],
        image_token_id=ids["image_token"],
        video_token_id=ids["video_token"],
        audio_start_token_id=ids["audio_bos_token"],
        # Not among the class's own settings; published configurations have it.
        vision_start_token_id=ids["vision_bos_token"],
    )  # fmt: skip
    template = _TEMPLATE.replace("SOUND", "<|audio_bos|><|AUDIO|><|audio_eos|>")
    processor = _Omni3Hears(WhisperFeatureExtractor(feature_size=BANDS), tokenizer, chat_template=template)
    return Qwen3OmniMoeThinkerForConditionalGeneration(config), processor


_MAKERS = {
    "qwen2_audio": _qwen2_audio,
    "audioflamingo3": _audio_flamingo,
    "glmasr": _glm_asr,
    "qwen2_5_omni_thinker": _omni_thinker,
    "qwen3_omni_moe_thinker": _omni3_thinker,
}
