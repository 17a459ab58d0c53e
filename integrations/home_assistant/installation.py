"""Puts the custom component and the blueprints into a Home Assistant configuration folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from foundation.atomic_file import write_atomically
from foundation.errors import OwnerError

_HERE = Path(__file__).resolve().parent
COMPONENT = _HERE / "custom_components" / "heard"
BLUEPRINTS = _HERE / "blueprints" / "automation" / "heard"

_SIGNS = ("configuration.yaml", ".HA_VERSION")
"""What a configuration folder of Home Assistant holds, one from its first start on."""
_NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """What was put where."""

    component: Path
    version: str
    version_before: str | None
    blueprints: tuple[Path, ...]
    kept: tuple[Path, ...]
    """Blueprints that somebody had changed, under their new names."""


def install(folder: Path) -> Installed:
    """Copy the component, whole or not at all, and the blueprints beside it. Raises OwnerError."""
    if not any((folder / sign).is_file() for sign in _SIGNS):
        raise OwnerError(
            f"{folder} is no folder of Home Assistant: neither {' nor '.join(_SIGNS)} is there. "
            "Home Assistant shows its folder under Settings, System, Repairs, ⋮, System information."
        )
    component = folder / "custom_components" / COMPONENT.name
    before = _version_there(component)
    try:
        component.parent.mkdir(exist_ok=True)
        _replace(component)
        blueprints, kept = _copy_blueprints(folder / "blueprints" / "automation" / BLUEPRINTS.name)
    except OSError as error:
        raise OwnerError(
            f"{error.filename or component}: {error.strerror or error}. Run this as a user who may write to "
            "Home Assistant's configuration folder."
        ) from error
    version = _version(COMPONENT)
    assert version is not None
    return Installed(
        component=component, version=version, version_before=before, blueprints=blueprints, kept=kept
    )


def _version_there(component: Path) -> str | None:
    """Return which version is there, or None. Raises OwnerError where it is something else."""
    if not component.exists() and not component.is_symlink():
        return None
    if component.is_symlink():
        raise OwnerError(f"{component} is a link, made by somebody who develops: remove it first.")
    version = _version(component)
    if version is None:
        raise OwnerError(f"{component} is something else, not heard's component: move it away first.")
    return version


def _version(component: Path) -> str | None:
    with suppress(OSError, ValueError, AttributeError):
        manifest = json.loads((component / "manifest.json").read_bytes())
        if manifest.get("domain") == "heard":
            return str(manifest.get("version"))
    return None


def _replace(component: Path) -> None:
    """Put a whole new component in the place of the old one; at no moment does half of one lie there."""
    aside = Path(tempfile.mkdtemp(prefix=".heard-", dir=component.parent))
    try:
        new, old = aside / "new", aside / "old"
        shutil.copytree(COMPONENT, new, ignore=_NOT_COPIED)
        if component.exists():
            component.rename(old)
        try:
            new.rename(component)
        except OSError:
            with suppress(FileNotFoundError):
                old.rename(component)
            raise
        _flush(component.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _copy_blueprints(folder: Path) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Copy every blueprint; one that is there and differs is kept under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    copied, kept = [], []
    for source in sorted(BLUEPRINTS.glob("*.yaml")):
        content, path = source.read_bytes(), folder / source.name
        if path.exists() and path.read_bytes() != content:
            # Home Assistant reads *.yaml only, so that what is kept is not offered twice.
            kept.append(path.rename(path.with_suffix(".yaml.before")))
        write_atomically(path, content)
        path.chmod(0o644)
        copied.append(path)
    return tuple(copied), tuple(kept)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
