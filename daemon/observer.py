"""How a live table, a printer or a test watches the daemon without reaching into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.pipeline import StreamReading
    from detectors.types import SoundEvent
    from rules.model import ActionRequest


class Observer:
    """Override what matters. Everything is called on the event loop, so nothing here may wait."""

    def ready(self) -> None:
        """Every stream was opened, or could not be: the daemon listens."""

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Take the newest reading of each stream, after every piece of work."""

    def event(self, event: SoundEvent) -> None:
        """A sound began or ended."""

    def published(self, event: SoundEvent, clip_url: str | None) -> None:
        """The same as other systems are told of it, before actions go out: with its clip, if one is kept."""

    def action(self, request: ActionRequest, failure: Exception | None) -> None:
        """An action went out, or failed."""

    def clip(self, event: SoundEvent, path: Path) -> None:
        """A clip is on the disk, whole."""
