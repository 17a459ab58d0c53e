"""From a model's folder to the model: which family it is of is read from its configuration."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

import yaml

from detectors.audio_models import AudioModel, LoadOptions
from detectors.audio_models.in_transformers.kinds import KINDS
from detectors.audio_models.memory_plan import MemoryPart
from foundation.errors import ModelError

FAMILIES: tuple[str, ...] = ("mimo", "kimi", "mini_omni", "in_transformers")
"""Packages beside this file, asked in this order."""

_KNOWN = f"heard knows MiMo-Audio, Kimi-Audio, mini-omni, and by transformers {', '.join(sorted(KINDS))}"


class Family(Protocol):
    """What each family's package offers; see `detectors.audio_models`."""

    def recognises(self, config: Mapping[str, Any]) -> bool:
        """Tell whether a folder's configuration is of this family."""

    def memory_parts(self, config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
        """Return the model's size by part."""

    def open_model(self, folder: Path, load: LoadOptions) -> AudioModel:
        """Load the model."""


def read_config(folder: Path) -> Mapping[str, Any]:
    """Read `config.json`, or mini-omni's `model_config.yaml`. Raises ModelError if there is neither."""
    try:
        if (folder / "config.json").is_file():
            config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        elif (folder / "model_config.yaml").is_file():
            config = yaml.safe_load((folder / "model_config.yaml").read_text(encoding="utf-8"))
        else:
            raise ModelError(
                f"{folder}: no config.json or model_config.yaml; name a folder as published; {_KNOWN}"
            )
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ModelError(f"{folder}: its configuration cannot be read: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder}: its configuration is not a mapping")
    return config


def family_of(folder: Path) -> Family:
    """Find out which family a folder is of. Raises ModelError if it is of none."""
    config = read_config(folder)
    for name in FAMILIES:
        family = cast("Family", importlib.import_module(f"detectors.audio_models.{name}"))
        if family.recognises(config):
            return family
    named = (config.get(key) for key in ("model_type", "architectures", "name"))
    found = next(filter(None, named), "a model without a name")
    raise ModelError(f"{folder}: holds {found}; {_KNOWN}")


def open_model(folder: Path, load: LoadOptions) -> AudioModel:
    """Load the model that a folder holds. Raises ModelError, which names the file or the tensor."""
    return family_of(folder).open_model(folder, load)


def pack_folder(folder: Path, target: Path, load: LoadOptions, progress: Callable[[int, int], None]) -> None:
    """Write a model's folder once in fewer bits. Raises ModelError, also for a family that cannot."""
    family = family_of(folder)
    pack: Callable[[Path, Path, LoadOptions, Callable[[int, int], None]], None] | None = getattr(
        family, "pack_folder", None
    )
    if pack is None:
        raise ModelError(f"{folder}: only MiMo-Audio can be packed; `weights` packs the others as they load")
    pack(folder, target, load, progress)
