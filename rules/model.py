"""What a rule is, and what it asks for. Plain values: the loader makes them, the engine runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundTrigger:
    """A sound of one of `profiles` on one of `streams`."""

    profiles: tuple[str, ...]
    streams: tuple[str, ...] = ()
    """Empty: every stream."""
    above: float | None = None
    """None: whatever the profile's own threshold let through."""
    phase: Phase = Phase.STARTED
    for_s: float = 0.0
    """How long the sound must have gone on."""
    count: int = 1
    """How many such sounds on one stream make the trigger fire."""
    within_s: float | None = None
    """Seconds from the onset of the first of `count` sounds to that of the last; None where count is 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCondition:
    """True between two times of day, over midnight where `after` is later than `before`, on some weekdays."""

    after: time | None = None
    before: time | None = None
    """Not included."""
    weekdays: frozenset[int] = frozenset()
    """0 is Monday; empty: every day. The day is the one on the clock, also after midnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveClip:
    """Keep the audio around the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishMqtt:
    """Send a message to the broker."""

    topic: Template
    payload: Any = ""
    """A template, or lists and mappings of templates and plain values, which are sent as JSON."""
    qos: int = 0
    retain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Wait before the actions that follow."""

    delay_s: float


Action = SaveClip | PublishMqtt | Delay


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one of `triggers` fires and all `conditions` hold, `actions` follow in order."""

    id: str
    alias: str = ""
    description: str = ""
    enabled: bool = True
    triggers: tuple[SoundTrigger, ...]
    conditions: tuple[TimeCondition, ...] = ()
    actions: tuple[Action, ...]
    cooldown_s: float = 0.0
    """After the rule fired, it does not fire again for this long, whichever stream the sound is on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """One thing to be done now because a rule fired, worked out in full."""

    id: str
    """The same for the same rule, sound and action whenever the audio is replayed."""
    rule_id: str
    action: str
    """SAVE_CLIP, MQTT_PUBLISH or LOG."""
    event: SoundEvent
    due_at: float
    """Unix seconds of event time; the engine holds a request back until then."""
    data: Mapping[str, Any] = field(default_factory=dict)
