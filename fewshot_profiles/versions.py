"""Earlier versions of an owner's profile: a change keeps the folder that it replaces, so it can be undone.

They lie in `.versions/<name>/<number>` beside the profiles, where the store does not look.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from foundation.errors import Problem, ProfileError
from foundation.ownership import make_folder

MAX_VERSIONS = 20
"""The oldest go first. A profile with its examples as audio is a megabyte or two."""

_FOLDER = ".versions"


def put_in_place(beside: Path, folder: Path) -> None:
    """Rename the new folder `beside` to `folder`; what was there becomes the newest earlier version.

    Raises OSError as the file system does, with the old folder where it was.
    """
    if not folder.exists():
        beside.rename(folder)
        return
    kept = _next_place(folder)
    make_folder(kept.parent)
    folder.rename(kept)
    try:
        beside.rename(folder)
    except OSError:
        kept.rename(folder)
        raise
    for oldest in earlier_versions(folder)[:-MAX_VERSIONS]:
        shutil.rmtree(oldest, ignore_errors=True)


def earlier_versions(folder: Path) -> list[Path]:
    """Return the folders of the profile's earlier versions, the newest last."""
    places = (folder.parent / _FOLDER / folder.name).glob("[0-9]*")
    return sorted(places, key=lambda place: int(place.name))


def take_back(folder: Path) -> bool:
    """Put the newest earlier version in the place of `folder`; tell whether there was one.

    Raises OSError as the file system does, with the profile as it was.
    """
    earlier = earlier_versions(folder)
    if not earlier:
        return False
    undone = folder.with_name(f".undone-{folder.name}")
    shutil.rmtree(undone, ignore_errors=True)
    if folder.exists():
        folder.rename(undone)
    try:
        earlier[-1].rename(folder)
    except OSError:
        undone.rename(folder)
        raise
    shutil.rmtree(undone, ignore_errors=True)
    return True


def remove(folder: Path) -> None:
    """Take the profile away; it stays among its earlier versions until `take_back`.

    Raises ProfileError where there is none.
    """
    if not folder.is_dir():
        message = "there is no such profile of the owner's"
        raise ProfileError([Problem(file=folder, line=0, column=0, message=message)])
    kept = _next_place(folder)
    make_folder(kept.parent)
    folder.rename(kept)


def _next_place(folder: Path) -> Path:
    earlier = earlier_versions(folder)
    number = int(earlier[-1].name) + 1 if earlier else 1
    return folder.parent / _FOLDER / folder.name / f"{number:06}"
