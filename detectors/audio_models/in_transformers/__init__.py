"""Audio models that transformers implements itself: one adapter for all, by their own processors.

No code out of a model's folder is run, and nothing that sees is loaded. Where a folder's processor needs a
library that is not there, the message names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.audio_models.in_transformers.kinds import KINDS
from detectors.audio_models.libraries import require
from detectors.audio_models.memory_plan import MemoryPart

if TYPE_CHECKING:
    from detectors.audio_models import LoadOptions
    from detectors.audio_models.in_transformers.model import InTransformers


def recognises(config: Mapping[str, Any]) -> bool:
    """Tell whether a folder's configuration is of this family."""
    return config.get("model_type") in KINDS


def memory_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the model's size by part; counted on a network without weights, so this needs the libraries."""
    require("torch", "transformers")
    from detectors.audio_models.in_transformers.loading import counted_parts

    return counted_parts(config)


def open_model(folder: Path, load: LoadOptions) -> InTransformers:
    """Load the model. Raises ModelError, which names the file or the tensor."""
    require("torch", "transformers", "safetensors", "tokenizers")
    from detectors.audio_models.in_transformers.loading import load_in_transformers

    return load_in_transformers(folder, load)
