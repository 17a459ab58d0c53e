"""The values that travel between the rooms. Each is immutable; time is a sample index until it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Audio in −1…1."""

DETECTION_RATE_HZ = 16_000
"""Everything that detects works on mono audio at this rate; evidence keeps the source's own."""

HOP_SAMPLES = 1_280
"""One decision step: 80 ms, eight mel frames of 10 ms, so that three halvings of time end in one frame."""

HOP_S = HOP_SAMPLES / DETECTION_RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioBlock:
    """A piece of one stream as its source delivered it."""

    samples: Samples
    """float32 [channels, n]"""
    rate_hz: int
    start: int
    """Absolute index of the first sample of this block in the stream, at `rate_hz`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One step of a stream on the detection side."""

    index: int
    """Counts from 0; the hop's first sample is `index * HOP_SAMPLES` at DETECTION_RATE_HZ."""
    samples: Samples
    """float32 [HOP_SAMPLES]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HopScores:
    """What one hop sounded like: a calibrated probability for each profile, and the levels around it."""

    index: int
    scores: NDArray[np.float32]
    """[profiles], in the order of the matcher's `names`"""
    level_dbfs: float
    noise_floor_dbfs: float
    speech: bool


class Phase(StrEnum):
    """Which end of a sound an event reports."""

    STARTED = "started"
    ENDED = "ended"


class Decider(StrEnum):
    """Who says that there was a sound."""

    PROFILES = "profiles"
    AUDIO_MODEL = "audio_model"
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundEvent:
    """A fact: on this stream, this profile's sound began or ended.

    Seconds with the suffix `_s` count from the stream's first sample. `epoch_s` makes Unix time of them: when
    that sample sounded, by the clock as it was known at the onset.
    """

    id: str
    """The same for the start and the end of one sound; see `event_id`."""
    phase: Phase
    profile: str
    profile_version: str
    stream: str
    epoch_s: float
    onset_s: float
    decided_s: float
    """The end of the audio that this event was decided on."""
    end_s: float | None
    """None while the sound goes on."""
    score: float
    """The highest score so far."""
    level_dbfs: float
    noise_floor_dbfs: float
    speech: bool
    verified: bool | None = None
    """A full audio model agreed; None: it was not asked, or gave no answer in time."""
    caption: str | None = None
    """What a full audio model said of the sound; None: it was not asked, or has not answered yet."""
    transcript: str | None = None
    """What was said, in an event's end; None: nobody asked for it, or there was no answer in time."""
    decided_by: Decider = Decider.PROFILES
    """Who recognised the sound."""

    @property
    def onset_at(self) -> float:
        """Unix seconds of the onset."""
        return self.epoch_s + self.onset_s

    @property
    def decided_at(self) -> float:
        """Unix seconds at which the event could first be known: the clock that rules run on."""
        return self.epoch_s + self.decided_s

    @property
    def ended_at(self) -> float | None:
        """Unix seconds of the end, or None while the sound goes on."""
        return None if self.end_s is None else self.epoch_s + self.end_s


def event_id(*, stream: str, profile: str, epoch_s: float, onset_sample: int) -> str:
    """Name a sound by what it is: the same audio, replayed, gives the same 16 hexadecimal digits."""
    key = f"{stream}\0{profile}\0{epoch_s:.6f}\0{onset_sample}".encode()
    return blake2b(key, digest_size=8).hexdigest()
