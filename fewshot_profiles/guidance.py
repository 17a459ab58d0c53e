"""Guiding the owner through teaching at the microphone: heard it, not that one and why, enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from detectors.framing import Framer
from detectors.levels import rms_dbfs
from detectors.types import DETECTION_RATE_HZ, AudioBlock, Samples
from fewshot_profiles.activity import separate_stretches
from fewshot_profiles.cutting import MARGIN_S
from fewshot_profiles.example_audio import ExampleAudio, examine
from foundation.errors import ExampleError

WINDOW_S = 12.0
"""How far back a try may have begun."""
QUIET_S = 0.8
"""A try is over when it has been quiet for so long."""
LOOK_EVERY_S = 0.25
LONGEST_TRY_S = 10.0
"""A sound that goes on is taken as it is after so long."""

CueKind = Literal["level", "heard", "refused", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """What to tell the owner now."""

    kind: CueKind
    level_dbfs: float
    count: int
    """Tries heard so far."""
    wanted: int
    message: str = ""


class Guide:
    """Takes audio as it comes, and collects `wanted` tries. Keeps WINDOW_S of it."""

    def __init__(self, name: str, *, rate_hz: int, channels: int, wanted: int) -> None:
        self.examples: list[ExampleAudio] = []
        self._name = name
        self._rate_hz = rate_hz
        self._wanted = wanted
        self._framer = Framer(rate_hz=rate_hz, channels=channels)
        self._recent: Samples = np.zeros((channels, 0), np.float32)
        self._mono: Samples = np.zeros(0, np.float32)
        self._ends_at = 0
        """Samples of mono audio so far."""
        self._taken_until = 0
        self._next_look = 0

    @property
    def done(self) -> bool:
        """Whether there are as many tries as were wanted."""
        return len(self.examples) >= self._wanted

    def accept(self, block: AudioBlock) -> list[Cue]:
        """Take the next block; return what is new. The level is told at every look."""
        keep = int(WINDOW_S * self._rate_hz)
        self._recent = np.concatenate([self._recent, block.samples], axis=1)[:, -keep:]
        hops = [hop.samples for hop in self._framer.accept(block)]
        if hops:
            self._mono = np.concatenate([self._mono, *hops])[-int(WINDOW_S * DETECTION_RATE_HZ) :]
            self._ends_at += sum(len(hop) for hop in hops)
        if self._ends_at < self._next_look or not hops or self.done:
            return []
        self._next_look = self._ends_at + int(LOOK_EVERY_S * DETECTION_RATE_HZ)
        cues = [self._cue("level", level_dbfs=rms_dbfs(hops[-1]))]
        cues += self._look()
        if self.done:
            cues.append(self._cue("done"))
        return cues

    def _look(self) -> list[Cue]:
        begins_at = self._ends_at - len(self._mono)
        if len(self._mono) < DETECTION_RATE_HZ:
            return []
        cues = []
        for region in separate_stretches(self._mono):
            start, end = begins_at + region.start, begins_at + region.end
            over = self._ends_at - end >= QUIET_S * DETECTION_RATE_HZ
            long = end - start >= LONGEST_TRY_S * DETECTION_RATE_HZ
            steady = region.end - region.start == len(self._mono) and not long
            if start < self._taken_until or steady or not (over or long):
                continue
            self._taken_until = end
            cues.append(self._try(start, end, region.peak_dbfs))
            if self.done:
                break
        return cues

    def _try(self, start: int, end: int, peak_dbfs: float) -> Cue:
        number = len(self.examples) + 1
        try:
            self.examples.append(examine(f"{self._name} try {number}", self._cut(start, end), self._rate_hz))
        except ExampleError as error:
            return self._cue("refused", level_dbfs=peak_dbfs, message=str(error))
        message = f"heard it, {number} of {self._wanted}"
        return self._cue("heard", level_dbfs=peak_dbfs, message=message)

    def _cut(self, start: int, end: int) -> Samples:
        """Return what sounded between two counts of mono samples, as the source delivered it."""
        scale = self._rate_hz / DETECTION_RATE_HZ
        count = self._recent.shape[1]
        first = count - round((self._ends_at - start) * scale) - round(MARGIN_S * self._rate_hz)
        last = count - round((self._ends_at - end) * scale) + round(MARGIN_S * self._rate_hz)
        return self._recent[:, max(0, first) : max(0, last)]

    def _cue(self, kind: CueKind, *, level_dbfs: float = 0.0, message: str = "") -> Cue:
        return Cue(
            kind=kind,
            level_dbfs=round(float(level_dbfs), 1),
            count=len(self.examples),
            wanted=self._wanted,
            message=message,
        )
