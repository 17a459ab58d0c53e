"""What the owner sees while teaching at the microphone: a level, and what became of each try."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

_WIDTH = 30
_QUIETEST_DBFS, _LOUDEST_DBFS = -70.0, 0.0


class Meter:
    """Shows cues on the terminal, and only what changes where there is none."""

    def __init__(self, name: str, wanted: int) -> None:
        self._name = name
        self._wanted = wanted
        self._live = sys.stderr.isatty()

    def show(self, cue: dict[str, Any]) -> None:
        """Show one cue."""
        if cue["kind"] == "level":
            if self._live:
                sys.stderr.write(f"\r{_bar(cue['level_dbfs'])}  {cue['count']} of {cue['wanted']} ")
                sys.stderr.flush()
            return
        if cue["message"]:
            self._line(cue["message"])

    def __enter__(self) -> Self:
        self._line(f"Make the sound ({self._name}) {self._wanted} times, with a second of quiet between.")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _line(self, text: str) -> None:
        self._clear()
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r" + " " * (_WIDTH + 30) + "\r")


def _bar(level_dbfs: float) -> str:
    share = (level_dbfs - _QUIETEST_DBFS) / (_LOUDEST_DBFS - _QUIETEST_DBFS)
    filled = round(_WIDTH * min(max(share, 0.0), 1.0))
    return f"[{'#' * filled}{' ' * (_WIDTH - filled)}] {level_dbfs:5.0f} dBFS"
