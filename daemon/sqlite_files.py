"""What all SQLite files of the state folder have in common. Blocking: for a thread."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


def check(database: sqlite3.Connection, path: Path, newest_schema: int) -> None:
    """Make an opened file ready to be written to, in WAL mode.

    Raises sqlite3.DatabaseError where it is damaged, StateFolderError where a newer heard wrote it.
    """
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > newest_schema:
        raise StateFolderError(f"{path} was written by a newer heard (schema {version}); use that one")
    database.execute("PRAGMA journal_mode = WAL")
    # A killed process loses nothing that was committed to the log: the kernel has it. A power cut loses
    # at most the last commits, never the file; FULL would wait for the disk each time, and wear out SD cards.
    database.execute("PRAGMA synchronous = NORMAL")


def set_aside(path: Path, what: str, fault: str) -> None:
    """Rename a damaged file, so that a new one can begin and nothing of the old one is destroyed."""
    aside = f"{path.name}.damaged-{datetime.fromtimestamp(time.time(), UTC):%Y%m%dT%H%M%SZ}"
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(aside + suffix))
    _log.warning("the %s %s is damaged (%s): set aside as %s, a new one begins", what, path, fault, aside)
