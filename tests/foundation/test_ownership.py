"""What root writes by hand, the service's user can change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from foundation.atomic_file import write_atomically
from foundation.ownership import give_tree, make_folder

SERVICE = 61_184

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes for other users")


@pytest.fixture
def state_folder(tmp_path: Path) -> Path:
    """A folder of another user's."""
    folder = tmp_path / "state"
    folder.mkdir()
    os.chown(folder, SERVICE, SERVICE)
    return folder


def test_a_file_is_the_owners_of_its_folder(state_folder: Path) -> None:
    """From its first moment on: whoever it is for may read it at once."""
    write_atomically(state_folder / "switches.json", b"{}")

    status = (state_folder / "switches.json").stat()
    assert (status.st_uid, status.st_gid) == (SERVICE, SERVICE)


def test_a_tree_is_the_owners_and_nothing_behind_its_links_is(state_folder: Path) -> None:
    """A link that somebody put there gives nothing away."""
    outside = state_folder.parent / "outside"
    outside.mkdir()
    (outside / "file").touch()
    make_folder(state_folder / "profiles" / ".versions")
    bell = state_folder / "profiles" / "bell"
    (bell / "examples").mkdir(parents=True)
    (bell / "examples" / "00.flac").touch()
    (bell / "link").symlink_to(outside)
    (bell / "examples" / "link").symlink_to(outside / "file")

    give_tree(bell)

    theirs = {path for path in state_folder.rglob("*") if path.lstat().st_uid == SERVICE}
    assert theirs == set(state_folder.rglob("*"))
    assert {path.stat().st_uid for path in (outside, outside / "file")} == {0}
