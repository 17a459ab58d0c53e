"""Which encoders there are, whose they are, and which are here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.models.catalogue import BUILTIN, MODELS
from daemon.models.folder import ModelFolder, model_folder

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.models.catalogue import OfficialModel


def known_models(state_dir: Path) -> list[dict[str, Any]]:
    """Return every encoder that heard knows, the one that ships first. Raises ModelError."""
    folder = model_folder(state_dir)
    return [_builtin(), *(model_json(model, folder) for model in MODELS.values())]


def model_json(model: OfficialModel, folder: ModelFolder) -> dict[str, Any]:
    """Return one encoder, for a program to read."""
    sha256 = folder.expected_sha256(model)
    return {
        "name": model.name,
        "ready": folder.ready(model),
        "megabytes": model.megabytes,
        "licence": model.licence,
        "sha256": sha256,
        "sha256_from": "known" if model.sha256 else "pinned" if sha256 else None,
        "url": model.url,
        "path": str(folder.entry(model)) if folder.ready(model) else None,
        "about": model.about,
    }


def _builtin() -> dict[str, Any]:
    from detectors.encoders.builtin import WEIGHTS

    return {
        "name": BUILTIN,
        "ready": True,
        "megabytes": round(WEIGHTS.stat().st_size / 1e6, 1),
        "licence": "Apache-2.0",
        "sha256": None,
        "sha256_from": None,
        "url": None,
        "path": str(WEIGHTS),
        "about": "ships with heard; the stock profiles are made for it",
    }
