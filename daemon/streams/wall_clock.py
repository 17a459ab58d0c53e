"""When a stream's samples sounded. Its device counts them by a clock of its own, which is never quite right.

`ClockWatch` holds that count against this machine's clock. What it finds goes to the pipeline with the audio,
as a `Course` from some second on. So the time of an event depends on its samples and these courses alone.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from detectors.types import DETECTION_RATE_HZ, Phase

WINDOW_S = 30.0
"""Of so much audio the piece that came soonest tells the time: all others were held up on their way."""

CATCH_UP_S = 60.0
"""An error of the clock goes away at this rate: by its half in the 30 s that follow."""

STEP_BEYOND_S = 30.0
"""More is no drift: the clock was set, or the machine slept. A smaller error never turns time back."""

KEPT_COURSES = 16
"""Eight minutes: no sound is told so long after it began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """From second `from_s` of a stream on: when its first sample would have sounded, in Unix seconds."""

    from_s: float = 0.0
    epoch_s: float
    slope: float = 0.0
    """How much `epoch_s` moves in a second of the stream."""

    def epoch_at(self, second_s: float) -> float:
        """Return what to add to this second of the stream, so that it is Unix time."""
        return self.epoch_s + self.slope * (second_s - self.from_s)


class ClockWatch:
    """Told when audio came, says by which course to go on.

    Audio that comes faster than it sounded, such as a file through a pipe, says nothing about the time.
    """

    def __init__(self, *, epoch_s: float) -> None:
        self._course = Course(epoch_s=epoch_s)
        self._began_s = 0.0
        self._began_at = epoch_s
        self._error_s = math.inf

    def arrived(self, end_s: float, at: float) -> Course | None:
        """Take that audio up to second `end_s` had come at `at` (Unix seconds).

        Returns the course from `end_s` on, where there is a new one.
        """
        self._error_s = min(self._error_s, at - end_s - self._course.epoch_at(end_s))
        if end_s - self._began_s < WINDOW_S:
            return None
        in_real_time = at - self._began_at > (end_s - self._began_s) / 2
        error_s = self._error_s if in_real_time else 0.0
        self._error_s, self._began_s, self._began_at = math.inf, end_s, at
        if not error_s and not self._course.slope:
            return None
        self._course = _corrected(self._course, error_s, from_s=end_s)
        return self._course


class Timeline:
    """When one stream's samples sounded: what the pipeline goes by."""

    def __init__(self, epoch_s: float) -> None:
        self._courses = deque([Course(epoch_s=epoch_s)], maxlen=KEPT_COURSES)
        self._going_on: dict[tuple[str, int], float] = {}

    def follow(self, course: Course) -> None:
        """Go by `course` from its second on."""
        self._courses.append(course)

    def epoch_at(self, second_s: float) -> float:
        """Return what to add to this second of the stream, so that it is Unix time."""
        for course in reversed(self._courses):
            if course.from_s <= second_s:
                return course.epoch_at(second_s)
        return self._courses[0].epoch_at(second_s)

    def epoch_of(self, profile: str, onset_sample: int, phase: Phase) -> float:
        """Return the same of a sound: its end goes by the course of its beginning, however long it lasts."""
        sound = profile, onset_sample
        epoch_s = self._going_on.pop(sound, None)
        if epoch_s is None:
            epoch_s = self.epoch_at(onset_sample / DETECTION_RATE_HZ)
        if phase is Phase.STARTED:
            self._going_on[sound] = epoch_s
        return epoch_s


def _corrected(course: Course, error_s: float, *, from_s: float) -> Course:
    epoch_s = course.epoch_at(from_s)
    if abs(error_s) > STEP_BEYOND_S:
        return Course(from_s=from_s, epoch_s=epoch_s + error_s)
    return Course(from_s=from_s, epoch_s=epoch_s, slope=error_s / CATCH_UP_S)
