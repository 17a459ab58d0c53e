"""What root writes into another user's folder becomes that user's: the service has one of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def give_file(handle: int, folder: Path) -> None:
    """Give an open file to the owner of the folder that it is for."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def give_tree(top: Path) -> None:
    """Give a folder, and all that is in it, to the owner of the one that it lies in."""
    if os.geteuid() != 0:
        return
    owner = top.parent.stat()
    # By handles of folders, and never through links: the other user may change names meanwhile.
    for _, folders, files, at in os.fwalk(top):
        os.fchown(at, owner.st_uid, owner.st_gid)
        for name in (*folders, *files):
            os.chown(name, owner.st_uid, owner.st_gid, dir_fd=at, follow_symlinks=False)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless they are there; each is its parent's owner's."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    give_tree(folder)
