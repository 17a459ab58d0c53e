"""Where the daemon's log lines go, and how a condition is said once instead of every second."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_SYSLOG_PRIORITIES = {"DEBUG": 7, "INFO": 6, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}


class _JournalFormatter(logging.Formatter):
    """Writes `<priority>message`, which journald takes apart again; it adds the time by itself."""

    def format(self, record: logging.LogRecord) -> str:
        priority = _SYSLOG_PRIORITIES.get(record.levelname, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def set_up_logging(
    level: str, *, environment: Mapping[str, str] = os.environ, to: TextIO | None = None
) -> None:
    """Send the log to stderr from `level` up, in journald's form where journald reads it."""
    handler = logging.StreamHandler(sys.stderr if to is None else to)
    if "JOURNAL_STREAM" in environment:
        handler.setFormatter(_JournalFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


class Changes:
    """Logs a condition only when it differs from what was last said about the same thing."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: dict[str, str] = {}

    def note(self, about: str, condition: str, *, level: int = logging.WARNING) -> bool:
        """Say that `about` is now `condition`; return whether that was news."""
        if self._said.get(about) == condition:
            return False
        self._said[about] = condition
        self._logger.log(level, "%s: %s", about, condition)
        return True
