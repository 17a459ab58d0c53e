"""Where the clip of an event is found: over HTTP while the API is on, else as a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.evidence.clips import clip_path

if TYPE_CHECKING:
    from daemon.config import Config
    from detectors.types import SoundEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The URLs that heard gives to others."""

    base: str
    """Of the API, without a slash at its end."""

    def clip(self, event_id: str) -> str:
        """Return where the clip of an event is."""
        return f"{self.base}/api/v1/evidence/{event_id}/clip.flac"

    def picture(self, event_id: str) -> str:
        """Return where the spectrogram of an event's clip is."""
        return f"{self.base}/api/v1/evidence/{event_id}/spectrogram.png"


def clip_url(config: Config, event: SoundEvent, *, port: int | None = None) -> str:
    """Return the URL of an event's clip; `port` is the one that the API listens at, where it is known."""
    if config.api is None:
        return clip_path(config.evidence_folder, event).absolute().as_uri()
    return Addresses(base=config.api.url(port or config.api.port)).clip(event.id)
