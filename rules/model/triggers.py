"""What makes a rule fire: a sound, several of them, a message, the state of something, or the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.types import Phase

if TYPE_CHECKING:
    from datetime import time

    from rules.template import Template


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrigger:
    """A sound of one of `profiles` on one of `streams`."""

    id: str = ""
    profiles: tuple[str, ...]
    streams: tuple[str, ...] = ()
    """Empty: every stream."""
    above: float | None = None
    """None: whatever the profile's own threshold let through."""
    below: float | None = None
    phase: Phase = Phase.STARTED
    for_s: float = 0.0
    """How long the sound must have gone on."""
    count: int = 1
    """How many such sounds on one stream make the trigger fire."""
    within_s: float | None = None
    """Seconds from the onset of the first of `count` sounds to that of the last; None where count is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundPattern:
    """A sound as one step of a sequence wants it."""

    profiles: tuple[str, ...]
    streams: tuple[str, ...] = ()
    """Empty: every stream."""
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceTrigger:
    """Sounds that begin one after another."""

    id: str = ""
    steps: tuple[SoundPattern, ...]
    within_s: float
    """Seconds from the onset of the first to that of the last."""
    same_stream: bool = False
    without: SoundPattern | None = None
    """A sound that must not begin between the first and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceTrigger:
    """A sound that has not been heard on a stream for a time, after it was."""

    id: str = ""
    profiles: tuple[str, ...]
    streams: tuple[str, ...] = ()
    """Empty: each stream by itself."""
    for_s: float
    """How long nothing must have been heard; shorter pauses belong to the sound."""
    ran_s: float = 0.0
    """How long it must have gone on before, from the first onset to the last end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeTrigger:
    """Times of day, on some weekdays."""

    id: str = ""
    at: tuple[time, ...]
    weekdays: frozenset[int] = frozenset()
    """0 is Monday; empty: every day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternTrigger:
    """Every moment whose hour, minute and second on the clock are all listed; None: any."""

    id: str = ""
    hours: tuple[int, ...] | None = None
    minutes: tuple[int, ...] | None = None
    seconds: tuple[int, ...] | None = None
    fixed_hours: bool = False
    """The hours are named one by one: in autumn the hour that comes twice counts once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttTrigger:
    """A message on a topic. What the broker had kept from before says nothing new, and fires nothing."""

    id: str = ""
    topic: str
    """May have the wildcards + and #."""
    payload: str | None = None
    """None: any, or where there is a template, whatever makes that true."""
    template: Template | None = None
    """What is compared with `payload`, in place of the payload itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTrigger:
    """The state of an entity of Home Assistant became another."""

    id: str = ""
    entities: tuple[str, ...]
    from_states: tuple[str, ...] = ()
    """Empty: whatever it was."""
    to_states: tuple[str, ...] = ()
    """Empty: whatever it is."""
    for_s: float = 0.0
    """How long it must have stayed so."""


Trigger = (
    SoundTrigger
    | SequenceTrigger
    | SilenceTrigger
    | TimeTrigger
    | PatternTrigger
    | MqttTrigger
    | StateTrigger
)
