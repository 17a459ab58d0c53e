"""What sounded a little like a profile and was not taken for it: the near misses of hearing itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.types import Phase, SoundEvent

if TYPE_CHECKING:
    from daemon.pipeline import StreamReading

LEAST_SCORE = 0.3
"""What is less like a profile is not near it."""
OVER_AFTER_S = 2.0
"""A score that has not been exceeded for so long was the highest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaintSound:
    """The moment at which a profile was nearest."""

    at: float
    """Unix seconds."""
    stream: str
    profile: str
    score: float
    level_dbfs: float


class FaintSounds:
    """Tells `note` of each, a little later, unless it was recognised after all."""

    def __init__(self, note: Callable[[FaintSound], None]) -> None:
        self._note = note
        self._highest: dict[tuple[str, str], FaintSound] = {}
        self._going_on: dict[tuple[str, str], int] = {}

    def on_event(self, event: SoundEvent) -> None:
        """Take note that a sound was recognised, or is over."""
        place = (event.stream, event.profile)
        self._highest.pop(place, None)
        count = self._going_on.get(place, 0) + (1 if event.phase is Phase.STARTED else -1)
        if count > 0:
            self._going_on[place] = count
        else:
            self._going_on.pop(place, None)

    def readings(self, readings: Mapping[str, StreamReading], now: float) -> None:
        """Look at what the streams sound like at `now`, Unix seconds."""
        for stream, reading in readings.items():
            for profile, score in reading.top:
                place = (stream, profile)
                known = self._highest.get(place)
                if score < LEAST_SCORE or place in self._going_on:
                    continue
                if known is None or score > known.score:
                    self._highest[place] = FaintSound(
                        at=now, stream=stream, profile=profile, score=score, level_dbfs=reading.level_dbfs
                    )
        for place, faint in list(self._highest.items()):
            if now - faint.at >= OVER_AFTER_S:
                del self._highest[place]
                self._note(faint)
