"""Messages of a daemon that played files, held against the sounds that stand in those files."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.onsets import Placed
    from detectors.types import SoundEvent

BELONGS_S = 0.5
"""An event that starts within this of an onset is about that sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event as a subscriber got it."""

    stream: str
    profile: str
    started_at: float
    received_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One sound that was heard; both times count from its onset."""

    latency_s: float
    """until the message was there"""
    decision_s: float
    """until the audio had sounded on which it was decided: no machine could be faster"""


def epochs(live: Sequence[Message], known: Mapping[str, Sequence[SoundEvent]]) -> dict[str, float]:
    """Return the wall-clock time of each stream's first sample.

    The daemon reads the wall clock once, at a file's first sample. Heard again, the file gives every event's
    place in it, the message its wall-clock time: their difference is that first reading.
    """
    found = {}
    for stream, sounds in known.items():
        differences = []
        for profile in {sound.profile for sound in sounds}:
            messages = [each for each in live if (each.stream, each.profile) == (stream, profile)]
            places = [sound for sound in sounds if sound.profile == profile]
            if len(messages) == len(places):
                differences += [
                    message.started_at - sound.onset_s
                    for message, sound in zip(messages, places, strict=True)
                ]
        if differences:
            found[stream] = median(differences)
    return found


def timings(
    placed: Sequence[Placed], live: Sequence[Message], known: Mapping[str, Sequence[SoundEvent]]
) -> list[Timing | None]:
    """Return what each sound took until its message was there, None for each that was not heard."""
    began_at = epochs(live, known)
    return [
        _timing(sound, live, known[sound.stream], began_at[sound.stream])
        if sound.stream in began_at
        else None
        for sound in placed
    ]


def _timing(
    sound: Placed, live: Sequence[Message], known: Sequence[SoundEvent], began_at: float
) -> Timing | None:
    onset_at = began_at + sound.onset_s
    received = [
        message.received_at - onset_at
        for message in live
        if (message.stream, message.profile) == (sound.stream, sound.profile)
        and abs(message.started_at - onset_at) <= BELONGS_S
    ]
    decided = [
        event.decided_s - sound.onset_s
        for event in known
        if event.profile == sound.profile and abs(event.onset_s - sound.onset_s) <= BELONGS_S
    ]
    return Timing(latency_s=min(received), decision_s=min(decided)) if received and decided else None
