"""Kimi-Audio-7B and -Instruct: understands sounds and speech, and answers in words and speech.

A folder holds what its makers publish; inside it or beside it is one folder of other makers, under another
licence: `glm-4-voice-tokenizer`, which it hears with beside its own `whisper-large-v3`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.audio_models.kimi.config import PUBLISHED, KimiConfig
from detectors.audio_models.kimi.sizes import memory_parts_of
from detectors.audio_models.libraries import require
from detectors.audio_models.memory_plan import MemoryPart

if TYPE_CHECKING:
    from detectors.audio_models import LoadOptions
    from detectors.audio_models.kimi.model import KimiAudio


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether a folder's configuration is of this family."""
    return "kimia_token_offset" in config


def memory_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the model's size by part; of the published one if there is no configuration."""
    return memory_parts_of(KimiConfig.read(config or PUBLISHED))


def open_model(folder: Path, load: LoadOptions) -> KimiAudio:
    """Load the model. Raises ModelError, which names the file or the tensor."""
    require("torch", "transformers", "safetensors", "tiktoken")
    from detectors.audio_models.kimi.loading import load_kimi

    return load_kimi(folder, load)
