"""MiMo-Audio from its official folders: MiMo-Audio-7B-Base or -Instruct, and MiMo-Audio-Tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from detectors.audio_models import AudioModel, LoadOptions
from detectors.audio_models.libraries import require
from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.mimo.config import CodecConfig, LanguageConfig
from detectors.audio_models.mimo.sizes import codec_parts, context_part, language_parts
from detectors.audio_models.opening import read_config
from detectors.audio_models.packed_folder import as_packed, packed_by


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether a configuration is MiMo-Audio's, which calls itself `qwen2` and has groups of audio."""
    return "group_size" in config and "speech_vocab_size" in config


def memory_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the model's size by part, its tokenizer's included."""
    language = LanguageConfig.read(config)
    packed = packed_by(config)
    hearing = CodecConfig() if packed is None else CodecConfig.read(packed["codec"])
    codec = codec_parts(hearing, levels=language.audio_channels)
    return (*language_parts(language), *codec, context_part(language))


def open_model(folder: Path, load: LoadOptions) -> AudioModel:
    """Load the model. Raises ModelError, which names the file or the tensor."""
    require("torch", "transformers", "safetensors", "tokenizers")
    import torch

    from detectors.audio_models.mimo.ears import Ears
    from detectors.audio_models.mimo.loading import CODEC_FOLDER, load_codec, load_network
    from detectors.audio_models.mimo.model import MimoAudio
    from detectors.audio_models.mimo.packed import load_packed
    from detectors.audio_models.mimo.speaking import SpeakingMimoAudio
    from detectors.audio_models.mimo.text import MimoText

    torch.set_num_threads(load.threads)
    config = read_config(folder)
    packed, load = packed_by(config), as_packed(config, load)
    text = MimoText(folder)
    if packed is not None:
        name = str(packed["name"])
        network, codec = load_packed(folder, config, packed, load)
    else:
        name = folder.name
        network = load_network(folder, load)
        codec_folder = load.companions.get(CODEC_FOLDER, folder.parent / CODEC_FOLDER)
        codec = load_codec(codec_folder, load, levels=network.config.audio_channels)
    # The two are told apart by nothing but their name.
    base = "base" in name.lower()
    if load.speech and not base:
        return SpeakingMimoAudio(name=name, network=network, codec=codec, text=text)
    return MimoAudio(
        name=name,
        style="base" if base else "chat",
        network=network,
        ears=Ears(codec.encoder, group_size=network.config.group_size),
        text=text,
    )


def pack_folder(folder: Path, target: Path, load: LoadOptions, progress: Callable[[int, int], None]) -> None:
    """Write the folder's weights in fewer bits, to be loaded in seconds.

    `progress` is told of bytes done, and of all there will be. Raises ModelError, with nothing left behind.
    """
    require("torch", "transformers", "safetensors", "tokenizers")
    import torch

    from detectors.audio_models.mimo import packing

    torch.set_num_threads(load.threads)
    with torch.inference_mode():
        packing.pack_folder(folder, target, load, progress)
