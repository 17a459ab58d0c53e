"""One daemon to a state folder."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def hold_state_folder(folder: Path) -> Iterator[None]:
    """Make `folder` if it is not there, and keep every other daemon out of it.

    The kernel lets go of the lock when the process ends, however it ends. Raises StateFolderError if the
    folder cannot be written or another daemon holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateFolderError(
            f"The state folder {folder} cannot be used: {error.strerror or error}. "
            "Make it writable for this user, or name another one as state_dir in the configuration."
        ) from error
    try:
        _lock(handle, folder)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip()
        named = f"process {holder}" if holder.isdigit() else "another process"
        raise StateFolderError(
            f"Another heard daemon ({named}) holds the state folder {folder}. "
            "Stop it first, or name another state_dir in the configuration."
        ) from None
    except OSError as error:
        raise StateFolderError(
            f"The state folder {folder} cannot be locked: {error.strerror or error}. "
            "Name a folder on a local disk as state_dir in the configuration."
        ) from error
