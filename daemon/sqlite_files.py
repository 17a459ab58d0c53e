"""What all SQLite files of the state folder have in common. Blocking: for a thread."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)


def set_aside(path: Path, what: str, fault: str) -> None:
    """Rename a damaged file, so that a new one can begin and nothing of the old one is destroyed."""
    aside = f"{path.name}.damaged-{datetime.fromtimestamp(time.time(), UTC):%Y%m%dT%H%M%SZ}"
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(path.with_name(aside + suffix))
    _log.warning("the %s %s is damaged (%s): set aside as %s, a new one begins", what, path, fault, aside)
