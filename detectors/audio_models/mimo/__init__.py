"""MiMo-Audio from its official folders: MiMo-Audio-7B-Base or -Instruct, and MiMo-Audio-Tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectors.audio_models import AudioModel, LoadOptions
from detectors.audio_models.libraries import require
from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.sizes import codec_parts, context_part, language_parts


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration is MiMo-Audio's, which calls itself `qwen2` and has groups of audio."""
    return "group_size" in config and "speech_vocab_size" in config


def memory_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the model's size by part, its tokenizer's included."""
    language = LanguageConfig.read(config)
    codec = codec_parts(CodecConfig(), levels=language.audio_channels)
    return (*language_parts(language), *codec, context_part(language))


def open_model(folder: Path, load: LoadOptions) -> AudioModel:
    """Load the model. Raises ModelError, which names the file or the tensor."""
    require("torch", "transformers", "safetensors", "tokenizers")
    import torch

    from detectors.audio_models.mimo.ears import Ears
    from detectors.audio_models.mimo.loading import CODEC_FOLDER, load_codec, load_network
    from detectors.audio_models.mimo.model import MimoAudio
    from detectors.audio_models.mimo.speaking import SpeakingMimoAudio
    from detectors.audio_models.mimo.text import MimoText

    torch.set_num_threads(load.threads)
    text = MimoText(folder)
    network = load_network(folder, load)
    codec_folder = load.companions.get(CODEC_FOLDER, folder.parent / CODEC_FOLDER)
    codec = load_codec(codec_folder, load, levels=network.config.audio_channels)
    # The two are told apart by nothing but their name.
    base = "base" in folder.name.lower()
    if load.speech and not base:
        return SpeakingMimoAudio(name=folder.name, network=network, codec=codec, text=text)
    return MimoAudio(
        name=folder.name,
        style="base" if base else "chat",
        network=network,
        ears=Ears(codec.encoder, group_size=network.config.group_size),
        text=text,
    )
