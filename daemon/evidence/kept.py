"""The clips that are in the evidence folder, as their sidecars tell of them. It blocks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EVENT_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClip:
    """One clip. A sidecar that cannot be read is for `verify` to tell."""

    path: Path
    """The FLAC file; its picture and its sidecar lie beside it."""
    sidecar: dict[str, Any]
    started: str
    """The onset, ISO 8601 in UTC: in order of time as text."""
    event_id: str

    @property
    def picture(self) -> Path:
        """Where its spectrogram is."""
        return self.path.with_suffix(".png")


def newest_clips(folder: Path) -> Iterator[KeptClip]:
    """Give the clips, the newest first, reading one day's sidecars at a time."""
    for day in sorted(_days(folder), reverse=True):
        clips = (_read(sidecar) for sidecar in day.glob("*.json"))
        of_day = [clip for clip in clips if clip is not None]
        yield from sorted(of_day, key=lambda clip: (clip.started, clip.event_id), reverse=True)


def clip_of_event(folder: Path, event_id: str) -> KeptClip | None:
    """Return the clip of an event; None where none is kept."""
    if not _EVENT_ID.fullmatch(event_id):
        return None
    found = next(iter(folder.glob(f"*/*_{event_id}.json")), None)
    return None if found is None else _read(found)


def _days(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if _DAY.fullmatch(path.name) and path.is_dir()]


def _read(path: Path) -> KeptClip | None:
    try:
        sidecar = json.loads(path.read_bytes())
        event = sidecar["event"]
        return KeptClip(
            path=path.with_suffix(".flac"),
            sidecar=sidecar,
            started=str(event["started"]),
            event_id=str(event["id"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
