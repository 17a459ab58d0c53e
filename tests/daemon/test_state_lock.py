from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from daemon.state_lock import hold_state_folder
from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path


def test_makes_the_folder(tmp_path: Path) -> None:
    """The first start finds no state folder and makes it."""
    with hold_state_folder(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / "lock").read_text() == f"{os.getpid()}\n"


def test_refuses_a_second_holder_and_names_the_first(tmp_path: Path) -> None:
    """Two daemons on one folder would spoil each other's state; the second is told who was there first."""
    with (
        hold_state_folder(tmp_path),
        pytest.raises(StateFolderError, match=rf"process {os.getpid()}\b.*state_dir"),
        hold_state_folder(tmp_path),
    ):
        pass


def test_a_refused_attempt_leaves_the_lock_with_its_holder(tmp_path: Path) -> None:
    """The pid of the holder stays readable after others were refused."""
    with hold_state_folder(tmp_path):
        for _ in range(2):
            with pytest.raises(StateFolderError, match="holds"), hold_state_folder(tmp_path):
                pass


def test_can_be_taken_again_after_release(tmp_path: Path) -> None:
    """A restart on the same folder works, whatever the lock file still says."""
    for _ in range(2):
        with hold_state_folder(tmp_path):
            pass


def test_an_unusable_folder_is_the_owners_to_mend(tmp_path: Path) -> None:
    """A state folder below a file cannot be made, and the text says what to set."""
    (tmp_path / "file").touch()

    with pytest.raises(StateFolderError, match="state_dir"), hold_state_folder(tmp_path / "file" / "state"):
        pass
