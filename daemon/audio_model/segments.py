"""Which stretches of a stream the full audio model is to hear: pure, from what the pipeline says of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detectors.types import HOP_S, SoundEvent

if TYPE_CHECKING:
    from daemon.pipeline import StreamReading

FIRST_S = 1.0
"""After it began: enough of a sound to know it by, and no more to wait for."""
AGAIN_S = 4.0
"""Between two looks at what goes on."""
LONGEST_S = 5.0
BEFORE_S = 0.5
"""Seconds before it began that are heard, too."""


@dataclass(slots=True, kw_only=True)
class Segment:
    """From the opening of a stream's gate, or from the first word behind a shut one, until both are over."""

    stream: str
    epoch_s: float
    opened_s: float
    looked_s: float
    """Up to where the model has been given it."""
    shut_s: float | None = None
    waiting: int = 0
    """Looks that have not been answered yet."""
    sounds: dict[str, SoundEvent] = field(default_factory=dict)
    """What the model said is going on, by profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A stretch of a segment that the model is to hear, in seconds of the stream."""

    segment: Segment
    start_s: float
    end_s: float
    level_dbfs: float
    noise_floor_dbfs: float
    speech: bool


class Segments:
    """Follows the gates and the voices of all streams.

    A gate that opens begins another segment, so that what opened it is looked at soon. One that shuts while
    somebody speaks does not end it.
    """

    def __init__(self) -> None:
        self._open: dict[str, Segment] = {}

    def read(self, stream: str, reading: StreamReading) -> tuple[list[Look], Segment | None]:
        """Take the newest reading; return what is to be heard now, and the segment that ended with it."""
        now_s = reading.hops * HOP_S
        opened_s = _opened_s(reading)
        looks: list[Look] = []
        segment = self._open.get(stream)
        ended: Segment | None = None
        if segment is not None and not _goes_on(segment, reading):
            segment.shut_s = now_s if opened_s is None else opened_s
            if segment.looked_s == segment.opened_s:
                # It was over before it was looked at.
                looks.append(_look(segment, segment.shut_s, reading))
            ended = self._open.pop(stream)
            segment = None
        if segment is None and opened_s is not None:
            segment = self._open[stream] = Segment(
                stream=stream, epoch_s=reading.epoch_s, opened_s=opened_s, looked_s=opened_s
            )
        if segment is not None and now_s - segment.looked_s >= _patience_s(segment):
            looks.append(_look(segment, now_s, reading))
        return looks, ended

    def sounds(self, stream: str, profile: str) -> bool:
        """Whether the model has said that a profile's sound is going on."""
        segment = self._open.get(stream)
        return segment is not None and profile in segment.sounds

    def close(self, stream: str) -> Segment | None:
        """End a stream; return its segment, if it was in one."""
        segment = self._open.pop(stream, None)
        if segment is not None:
            segment.shut_s = segment.looked_s
        return segment

    def close_all(self) -> list[Segment]:
        """End every stream."""
        return [segment for stream in list(self._open) if (segment := self.close(stream)) is not None]


def _opened_s(reading: StreamReading) -> float | None:
    """Return when what is to be heard now began; None: nothing is."""
    hop = reading.opened_hop if reading.gate_open else reading.spoken_hop
    return None if hop is None else hop * HOP_S


def _goes_on(segment: Segment, reading: StreamReading) -> bool:
    if reading.gate_open:
        return segment.opened_s == _opened_s(reading)
    return reading.spoken_hop is not None


def _patience_s(segment: Segment) -> float:
    return FIRST_S if segment.looked_s == segment.opened_s else AGAIN_S


def _look(segment: Segment, end_s: float, reading: StreamReading) -> Look:
    start_s = max(segment.looked_s - BEFORE_S, end_s - LONGEST_S, 0.0)
    segment.looked_s = end_s
    return Look(
        segment=segment,
        start_s=start_s,
        end_s=end_s,
        level_dbfs=reading.level_dbfs,
        noise_floor_dbfs=reading.noise_floor_dbfs,
        speech=reading.speech,
    )
