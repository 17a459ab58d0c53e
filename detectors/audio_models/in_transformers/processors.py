"""What lays a conversation out for a network: the folder's own processor, without eyes where it has some."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import transformers
from transformers import AutoFeatureExtractor, AutoProcessor, AutoTokenizer

from detectors.audio_models.in_transformers.kinds import Kind
from detectors.audio_models.in_transformers.voxtral import VoxtralProcessor
from foundation.errors import ModelError

_OURS = {"local_files_only": True, "trust_remote_code": False}


def open_processor(folder: Path, kind: Kind) -> Any:
    """Open what a folder says of its words and its sound. Raises ModelError, which says what is missing."""
    try:
        if kind.network.startswith("Voxtral"):
            return VoxtralProcessor(folder)
        if kind.processor:
            return _hearing(folder, getattr(transformers, kind.processor))
        return AutoProcessor.from_pretrained(folder, **_OURS)
    except (OSError, ValueError, ImportError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder}: its processor cannot be loaded: {error}") from error


def _hearing(folder: Path, seeing: Any) -> Any:
    """Open a processor with ears and words alone: its eyes would need libraries that hearing does not."""
    settings, _ = seeing.get_processor_dict(folder, **_OURS)
    parts = {
        "feature_extractor": AutoFeatureExtractor.from_pretrained(folder, **_OURS),
        "tokenizer": AutoTokenizer.from_pretrained(folder, **_OURS),
    }

    class Hearing(seeing):  # type: ignore[misc] # mypy does not follow transformers
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None:
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    return Hearing.from_args_and_dict([parts.get(name) for name in Hearing.get_attributes()], settings)
