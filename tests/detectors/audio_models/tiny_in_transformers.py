"""Tiny models of transformers with random weights, written as their makers publish theirs."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    AudioFlamingo3Config,
    AudioFlamingo3ForConditionalGeneration,
    AudioFlamingo3Processor,
    Gemma3nAudioFeatureExtractor,
    Gemma3nForConditionalGeneration,
    Gemma4ForConditionalGeneration,
    GlmAsrConfig,
    GlmAsrForConditionalGeneration,
    GlmAsrProcessor,
    MusicFlamingoConfig,
    MusicFlamingoForConditionalGeneration,
    MusicFlamingoProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen2AudioConfig,
    Qwen2AudioForConditionalGeneration,
    Qwen2AudioProcessor,
    Qwen3OmniMoeThinkerConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    VoxtralConfig,
    VoxtralForConditionalGeneration,
    WhisperFeatureExtractor,
)
from transformers.models.gemma4 import Gemma4AudioFeatureExtractor
from transformers.utils import logging as transformers_logging

from detectors.audio_models.in_transformers.networks import hearing_config

BANDS = 16
WIDTH = 64
"""The least that fits four bits."""
_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% for c in m.content %}"
    "{% if c.type == 'audio' %}SOUND{% else %}{{ c.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_TEXT = {
    "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
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


_EYES = {
    "gemma3n": ["model.vision_tower.timm_model.conv_stem.conv.weight"],
    "gemma4": [
        "model.vision_tower.patch_embedder.input_proj.weight",
        "model.embed_vision.embedding_projection.weight",
    ],
}
"""Published, and not loaded."""


def write(kind: str, folder: Path) -> None:
    """Write a model into a folder."""
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.manual_seed(8)
    network, processor = _MAKERS[kind]()
    # One that ends the answer, another that ends everything: the first to come ends an answer.
    network.generation_config.eos_token_id = [2, 3]
    for weight in network.parameters():
        # Large enough that every part matters, sound included.
        weight.data.mul_(8.0) if weight.dim() > 1 else None
    network.save_pretrained(folder)
    processor.save_pretrained(folder)
    if kind in _EYES:
        tensors = load_file(folder / "model.safetensors")
        tensors |= {name: torch.zeros(4, 4) for name in _EYES[kind]}
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_whole_omni(thinker: str, folder: Path) -> None:
    """Write an Omni model as published: what understands, and beside it what speaks."""
    write(thinker, folder)
    own = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    whole = {"model_type": thinker.removesuffix("_thinker"), "thinker_config": own, "dtype": own["dtype"]}
    (folder / "config.json").write_text(json.dumps(whole), encoding="utf-8")
    tensors = {f"thinker.{name}": each for name, each in load_file(folder / "model.safetensors").items()}
    tensors["talker.codec_head.weight"] = torch.zeros(4, 4)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


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


def _music_flamingo() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    ids = tokenizer.convert_tokens_to_ids(["<sound>", "<|sound_bos|>", "<|sound_eos|>"])
    config = MusicFlamingoConfig(
        audio_config={"model_type": "audioflamingo3_encoder", **_ENCODER},
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **_TEXT},
        audio_token_id=ids[0],
        audio_bos_token_id=ids[1],
        audio_eos_token_id=ids[2],
    )
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    template = _TEMPLATE.replace("SOUND", "<sound>")
    processor = MusicFlamingoProcessor(extractor, tokenizer, chat_template=template)
    return MusicFlamingoForConditionalGeneration(config), processor


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


class _Written:
    """A folder's files of words and sound, where transformers itself would write them with eyes only."""

    def __init__(
        self, processor: str, extractor: Any, tokenizer: Any, template: str, *, config: Any = None
    ) -> None:
        self._tokenizer = tokenizer
        self._extractor = extractor
        self._files = {"processor_config.json": {"processor_class": processor}}
        if config:
            # As published: what is built here has no eyes, and says so in its own.
            self._files["config.json"] = config
        tokenizer.chat_template = template

    def save_pretrained(self, folder: Path) -> None:
        """Write them."""
        self._tokenizer.save_pretrained(folder)
        self._extractor.save_pretrained(folder)
        for name, content in self._files.items():
            (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _omni_thinker() -> tuple[Any, Any]:
    tokenizer = _tokenizer(**_OMNI_TOKENS)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _OMNI_TOKENS.items()}
    config = Qwen2_5OmniThinkerConfig(
        audio_config={**_WHISPER, "n_window": 100, "output_dim": WIDTH},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 16,
            "out_hidden_size": WIDTH,
        },
        text_config={
            "vocab_size": len(tokenizer),
            "rope_scaling": {"rope_type": "default", "mrope_section": [4, 4, 8]},
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
    return Qwen2_5OmniThinkerForConditionalGeneration(config), _Written(
        "Qwen2_5OmniProcessor", extractor, tokenizer, template
    )


def _omni3_thinker() -> tuple[Any, Any]:
    tokenizer = _tokenizer(**_OMNI_TOKENS)
    ids = {name: tokenizer.convert_tokens_to_ids(token) for name, token in _OMNI_TOKENS.items()}
    config = Qwen3OmniMoeThinkerConfig(
        audio_config={**_WHISPER, "n_window": 50, "output_dim": WIDTH, "downsample_hidden_size": 4},
        vision_config={
            "depth": 1,
            "hidden_size": 16,
            "num_heads": 2,
            "intermediate_size": 16,
            "out_hidden_size": WIDTH,
            "deepstack_visual_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer),
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [8, 4, 4],
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
    extractor = WhisperFeatureExtractor(feature_size=BANDS)
    return Qwen3OmniMoeThinkerForConditionalGeneration(config), _Written(
        "Qwen3OmniMoeProcessor", extractor, tokenizer, template
    )


def _voxtral() -> tuple[Any, Any]:
    config = VoxtralConfig(
        audio_config={**_ENCODER, "model_type": "voxtral_encoder"},
        text_config={"model_type": "llama", "vocab_size": 320, "head_dim": 32, **_TEXT},
        audio_token_id=24,
    )
    return VoxtralForConditionalGeneration(config), _Tekken()


class _Tekken:
    """Voxtral's words as its makers publish them: no file of them is of transformers' making."""

    def save_pretrained(self, folder: Path) -> None:
        """Write them."""
        WhisperFeatureExtractor(feature_size=BANDS).save_pretrained(folder)
        named = {
            0: "<unk> <s> </s> [INST] [/INST] [AVAILABLE_TOOLS] [/AVAILABLE_TOOLS]",
            7: "[TOOL_RESULTS] [/TOOL_RESULTS] [TOOL_CALLS] [IMG] <pad> [IMG_BREAK] [IMG_END]",
            14: "[PREFIX] [MIDDLE] [SUFFIX]",
            17: "[SYSTEM_PROMPT] [/SYSTEM_PROMPT] [TOOL_CONTENT]",
            24: "[AUDIO] [BEGIN_AUDIO]",
            34: "[TRANSCRIBE]",
        }
        special = [f"<SPECIAL_{rank}>" for rank in range(60)]
        for rank, names in named.items():
            special[rank : rank + len(names.split())] = names.split()
        words = [bytes([byte]) for byte in range(256)] + [b"th", b"he", b"the", b" the"]
        content = {
            "config": {
                "pattern": r"[^\r\n\p{L}]?\p{L}+|\s*[\r\n]+|\s+(?!\S)|\s+|[^\s\p{L}]+",
                "default_vocab_size": 320,
                "default_num_special_tokens": 60,
                "version": "v7",
            },
            "special_tokens": [
                {"rank": i, "token_str": name, "is_control": True} for i, name in enumerate(special)
            ],
            "audio": {
                "sampling_rate": 16_000,
                "frame_rate": 12.5,
                "audio_encoding_config": {"num_mel_bins": BANDS, "hop_length": 160, "window_size": 400},
                "chunk_length_s": 30.0,
            },
            "vocab": [
                {"rank": i, "token_bytes": base64.b64encode(word).decode(), "token_str": None}
                for i, word in enumerate(words)
            ],
        }
        (folder / "tekken.json").write_text(json.dumps(content), encoding="utf-8")


def _gemma_tokenizer(*special: str) -> PreTrainedTokenizerFast:
    """Return words that write their first token themselves, as Gemma's do."""
    named = {
        "bos_token": "<bos>",
        "start": "<|im_start|>",
        "boi_token": "<start_of_image>",
        "boa_token": "<start_of_audio>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
        "eoa_token": "<end_of_audio>",
        "audio_token": "<audio_soft_token>",
    }
    tokenizer = _tokenizer(*special, **named)
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", tokenizer.convert_tokens_to_ids("<bos>"))]
    )
    return tokenizer


_GEMMA_TEMPLATE = "{{ bos_token }}" + _TEMPLATE.replace("SOUND", "<audio_soft_token>")


def _gemma_3n() -> tuple[Any, Any]:
    tokenizer = _gemma_tokenizer()
    # The last tokens are those of sights and those of sounds, each with a table of its own.
    sights, sounds = tokenizer.convert_tokens_to_ids(["<end_of_image>", "<end_of_audio>"])
    config = {
        "model_type": "gemma3n",
        "audio_config": {
            "hidden_size": 16,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "sscp_conv_channel_size": [4, 2],
            "input_feat_size": BANDS,
            "vocab_offset": sounds,
            "vocab_size": 2,
        },
        "vision_config": {"hidden_size": 16, "vocab_offset": sights, "vocab_size": 2},
        "text_config": {
            **_TEXT,
            "num_hidden_layers": 4,
            "head_dim": 32,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "sliding_window": 8,
            "num_kv_shared_layers": 2,
            "activation_sparsity_pattern": [0.5, 0.0, 0.0, 0.0],
            "vocab_size": len(tokenizer),
            "vocab_size_per_layer_input": sights,
            "hidden_size_per_layer_input": 4,
            "laurel_rank": 16,
        },
        "audio_token_id": tokenizer.convert_tokens_to_ids("<audio_soft_token>"),
        "image_token_id": tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        "architectures": ["Gemma3nForConditionalGeneration"],
    }
    extractor = Gemma3nAudioFeatureExtractor(feature_size=BANDS)
    files = _Written("Gemma3nProcessor", extractor, tokenizer, _GEMMA_TEMPLATE, config=config)
    return Gemma3nForConditionalGeneration(hearing_config(config)), files


def _gemma_4() -> tuple[Any, Any]:
    tokenizer = _gemma_tokenizer()
    config = {
        "model_type": "gemma4",
        "audio_config": {
            "hidden_size": 16,
            "num_attention_heads": 2,
            "num_hidden_layers": 1,
            "subsampling_conv_channels": [128, 2],
            "output_proj_dims": 16,
        },
        "vision_config": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1},
        "text_config": {
            **_TEXT,
            "num_hidden_layers": 4,
            "head_dim": 32,
            "global_head_dim": 32,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "sliding_window": 8,
            "num_kv_shared_layers": 2,
            "vocab_size": len(tokenizer) + 1,
            "vocab_size_per_layer_input": len(tokenizer) + 1,
            "hidden_size_per_layer_input": 4,
        },
        "audio_token_id": tokenizer.convert_tokens_to_ids("<audio_soft_token>"),
        "image_token_id": tokenizer.convert_tokens_to_ids("<image_soft_token>"),
        "video_token_id": len(tokenizer),
        "architectures": ["Gemma4ForConditionalGeneration"],
    }
    files = _Written(
        "Gemma4Processor", Gemma4AudioFeatureExtractor(), tokenizer, _GEMMA_TEMPLATE, config=config
    )
    return Gemma4ForConditionalGeneration(hearing_config(config)), files


_MAKERS = {
    "qwen2_audio": _qwen2_audio,
    "audioflamingo3": _audio_flamingo,
    "musicflamingo": _music_flamingo,
    "glmasr": _glm_asr,
    "qwen2_5_omni_thinker": _omni_thinker,
    "qwen3_omni_moe_thinker": _omni3_thinker,
    "voxtral": _voxtral,
    "gemma3n": _gemma_3n,
    "gemma4": _gemma_4,
}
KINDS = tuple(_MAKERS)
