"""Prints what the daemon hears, a line to a sound."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from daemon.observer import Observer
from detectors.types import Phase

if TYPE_CHECKING:
    from collections.abc import Callable

    from detectors.types import SoundEvent


class Printer(Observer):
    """Writes each sound when it starts."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def event(self, event: SoundEvent) -> None:
        """Print time, stream, profile, score, level and the id by which it can be marked."""
        if event.phase is Phase.STARTED:
            clock = datetime.fromtimestamp(event.onset_at).astimezone().strftime("%H:%M:%S")
            heard = f"{event.score:.2f}  {event.level_dbfs:.0f} dBFS"
            # Whoever read this output may have gone; the daemon listens on.
            with suppress(OSError):
                self._write(f"{clock}  {event.stream}  {event.profile}  {heard}  {event.id}")
