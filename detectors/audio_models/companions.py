"""Folders that a model's makers publish apart. Beside Kimi-Audio and mini-omni, which both need some."""

from __future__ import annotations

from pathlib import Path

from detectors.audio_models import LoadOptions
from foundation.errors import ModelError


def companion(folder: Path, name: str, load: LoadOptions) -> Path:
    """Return where another maker's folder lies: where `load` says, inside the model's own, or beside it."""
    if name in load.companions:
        return load.companions[name]
    for place in (folder / name, folder.parent / name):
        if place.is_dir():
            return place
    raise ModelError(f"{folder}: {name} is neither inside it nor beside it; see docs/audio-models.md")
