"""A full audio model's ears as an encoder for profiles."""

from __future__ import annotations

import re
from pathlib import Path

from detectors.audio_models.libraries import require
from detectors.encoders.onnx_manifest import HOP_MS
from foundation.errors import ModelError


def export_ears(
    folder: Path, target: Path, name: str | None, *, window_ms: int, hop_ms: int, licence: str
) -> Path:
    """Write the encoder into a folder of its own in `target`; return its manifest. Raises ModelError."""
    require("torch", "transformers", "safetensors")
    require("onnx", extra="full")
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no such folder")
    if hop_ms % HOP_MS:
        raise ModelError(f"an encoder listens each {HOP_MS} ms or a multiple of it, not each {hop_ms} ms")
    called = name or re.sub("[^a-z0-9_.-]", "-", folder.resolve().name.lower())
    if not re.fullmatch("[a-z0-9][a-z0-9_.-]{0,63}", called):
        raise ModelError(f"{called!r} is no name for an encoder: a-z, 0-9, _ . and -, at most 64 of them")
    from detectors.audio_models.ear_export import EarExport, export_ear

    own = target / called
    wanted = EarExport(
        name=called, window_ms=window_ms, hop_ms=hop_ms, licence=licence, source=folder.resolve().name
    )
    try:
        manifest = export_ear(folder, own, wanted)
        # Exported by one user, such as root, and heard with by another: the service's.
        for made in own.iterdir():
            made.chmod(0o644)
    except OSError as error:
        raise ModelError(f"{error.filename or own}: {error.strerror or error}") from error
    return manifest
