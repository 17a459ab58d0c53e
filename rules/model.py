"""What a rule is, and what it asks for. Plain values: the loader makes them, the engine runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from detectors.types import Phase, SoundEvent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import time

    from rules.template import Template

SAVE_CLIP = "heard.save_clip"
"""Keep the audio around the event. No data."""

MQTT_PUBLISH = "mqtt.publish"
"""Data: topic (str), payload (str), qos (0, 1 or 2), retain (bool)."""

LOG = "heard.log"
"""Tell the owner in the log: stands in for an action that could not be worked out. Data: level, message."""


# --- triggers ---------------------------------------------------------------------------------------------


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


Trigger = SoundTrigger | SequenceTrigger | SilenceTrigger | TimeTrigger | PatternTrigger


# --- conditions -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCondition:
    """True between two times of day, over midnight where `after` is later than `before`, on some weekdays."""

    after: time | None = None
    before: time | None = None
    """Not included."""
    weekdays: frozenset[int] = frozenset()
    """0 is Monday; empty: every day. The day is the one on the clock, also after midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCondition:
    """True where the template gives true, a number other than 0, or the word true, yes, on or 1."""

    template: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCondition:
    """True where one of the triggers with these ids made the rule fire."""

    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """True where every one of `conditions` is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """True where at least one of `conditions` is."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoneOf:
    """True where not one of `conditions` is."""

    conditions: tuple[Condition, ...]


Condition = TimeCondition | TemplateCondition | TriggerCondition | AllOf | AnyOf | NoneOf


# --- actions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveClip:
    """Keep the audio around the event."""

    continue_on_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishMqtt:
    """Send a message to the broker."""

    topic: Template
    payload: Any = ""
    """A template, or lists and mappings of templates and plain values, which are sent as JSON."""
    qos: int = 0
    retain: bool = False
    continue_on_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait before the actions that follow."""

    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables:
    """Give names to values for the rest of the run. Each may use those before it."""

    values: Mapping[str, Any]
    """As the payload of PublishMqtt: templates, and lists and mappings of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """Go on with this list of actions only where `condition` is true."""

    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the run."""

    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way that a choice can go, where all `conditions` are true."""

    conditions: tuple[Condition, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """Take the first option that holds, else `default`. An `if` is a choice with one option."""

    options: tuple[Option, ...]
    default: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Do `actions` again and again: so often, while the conditions hold, or until they do."""

    actions: tuple[Action, ...]
    count: int | None = None
    while_: tuple[Condition, ...] = ()
    until: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel:
    """Do several lists of actions side by side, and go on when all are done."""

    branches: tuple[tuple[Action, ...], ...]


Action = SaveClip | PublishMqtt | Delay | SetVariables | Check | Stop | Choose | Repeat | Parallel


# --- the rule ---------------------------------------------------------------------------------------------


class Mode(StrEnum):
    """What happens when a rule fires whose actions still go on."""

    SINGLE = "single"
    RESTART = "restart"
    QUEUED = "queued"
    PARALLEL = "parallel"


MAX_RUNS = 100
"""How many runs of one rule may be under way where the rule does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one of `triggers` fires and all `conditions` hold, `actions` follow in order."""

    id: str
    alias: str = ""
    description: str = ""
    enabled: bool = True
    triggers: tuple[Trigger, ...]
    conditions: tuple[Condition, ...] = ()
    actions: tuple[Action, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Worked out whenever a trigger fires, before the conditions."""
    mode: Mode = Mode.PARALLEL
    max_runs: int = MAX_RUNS
    """Runs that may be under way or wait, for the modes queued and parallel."""
    cooldown_s: float = 0.0
    """After the rule fired, it does not fire again for this long, whichever stream the sound is on."""
    keep_firing_for_s: float = 0.0
    """The same, but counted anew from everything that would have made it fire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """One thing to be done now because a rule fired, worked out in full."""

    id: str
    """The same for the same rule, sound and action whenever the audio is replayed."""
    rule_id: str
    action: str
    """SAVE_CLIP, MQTT_PUBLISH or LOG."""
    event: SoundEvent | None
    """The sound that made the rule fire, the last of several; None where the clock did."""
    due_at: float
    """Unix seconds of event time; the engine holds a request back until then."""
    data: Mapping[str, Any] = field(default_factory=dict)
