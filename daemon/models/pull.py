"""Fetch an encoder, verify it, and make it ready to use."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daemon.models.catalogue import OfficialModel
from daemon.models.download import Progress, download
from daemon.models.folder import ModelFolder
from foundation.atomic_file import write_atomically
from foundation.errors import ModelError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """What came of it."""

    entry: Path
    """The file that the encoder is loaded from."""
    sha256: str
    """Of the published file"""
    newly_pinned: bool
    """Nothing was known to compare it with: from now on this is."""


def pull(
    model: OfficialModel,
    folder: ModelFolder,
    *,
    from_file: Path | None,
    progress: Progress,
    say: Callable[[str], None],
) -> Pulled:
    """Fetch `model`, or take `from_file`. Raises ModelError, or DownloadInterrupted.

    Nothing is in its place before it has been verified.
    """
    if model.kind == "mn" and importlib.util.find_spec("torch") is None:
        raise ModelError(
            f"{model.name} is published for torch and converted once, which needs torch: "
            "`pip install 'heard[full]'`, or pull it on another machine and copy "
            f"{folder.folder(model)} from there"
        )
    try:
        folder.folder(model).mkdir(parents=True, exist_ok=True)
        published = from_file or asyncio.run(download(model.url, folder.folder(model), progress))
        return _install(model, folder, published, keep=from_file is not None, say=say)
    except OSError as error:
        where = error.filename or folder.root
        raise ModelError(f"{where}: {error.strerror or error}") from error


def _install(
    model: OfficialModel, folder: ModelFolder, published: Path, *, keep: bool, say: Callable[[str], None]
) -> Pulled:
    """Verify the published file and put in its place what is made of it."""
    with published.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    expected = folder.expected_sha256(model)
    if expected is not None and digest != expected:
        if not keep:
            published.unlink()
        known = "that is published" if model.sha256 else "that came first"
        raise ModelError(
            f"{published.name} has sha256 {digest}, and the file {known} has {expected}; it was not taken"
        )
    if model.kind == "mn":
        say(f"Converting {published.name}")
        _convert(model, published, folder.folder(model))
    else:
        write_atomically(folder.entry(model), published.read_bytes())
    # Pulled by one user, such as root, and heard with by another: the service's.
    for made in (*folder.folder(model).glob("*.onnx"), folder.entry(model)):
        made.chmod(0o644)
    if expected is None:
        folder.pin(model, digest)
    if not keep:
        published.unlink()
    return Pulled(entry=folder.entry(model), sha256=digest, newly_pinned=expected is None)


def _convert(model: OfficialModel, checkpoint: Path, folder: Path) -> None:
    from detectors.encoders.mn_export import export_mn
    from detectors.encoders.mn_variant import parse_mn

    variant = parse_mn(model.name)
    assert variant is not None, "the catalogue holds names of the family"
    export_mn(checkpoint, model.name, variant, folder, source=model.url)
