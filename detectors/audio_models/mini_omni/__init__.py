"""mini-omni: a small spoken chat model that hears a clip, and answers in English words and speech.

It takes one clip and no words beside it, with one exception: shown `TRANSCRIBE` and a clip, it writes down
what is said. Made for conversation, it is of little use for sounds other than speech.

A folder holds what its makers publish (`lit_model.pth`, `model_config.yaml`, `tokenizer.json`); inside it or
beside it are two folders of other makers: `whisper-small`, to hear with, and `snac_24khz`, to speak with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.audio_models.libraries import require
from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.mini_omni.config import PUBLISHED, MiniOmniConfig, memory_parts_of

if TYPE_CHECKING:
    from detectors.audio_models import LoadOptions
    from detectors.audio_models.mini_omni.model import MiniOmni

TRANSCRIBE = "Transcribe the speech."
"""The only words that may stand beside a clip: they select the prompt that transcribes."""


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether a folder's configuration is of this family."""
    return "cat_audio_vocab_size" in config and "whisper_adapter_dim" in config


def memory_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the model's size by part; of the published one if there is no configuration."""
    return memory_parts_of(MiniOmniConfig.read(config or PUBLISHED))


def open_model(folder: Path, load: LoadOptions) -> MiniOmni:
    """Load the model. Raises ModelError, which names the file or the tensor."""
    require("torch", "transformers", "tokenizers")
    from detectors.audio_models.mini_omni.loading import load_mini_omni

    return load_mini_omni(folder, load)
