"""What follows when a rule fires."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.model.conditions import Condition
    from rules.template import Template

SAVE_CLIP = "heard.save_clip"
"""Keep the audio around the event. No data."""

DESCRIBE = "heard.describe"
"""Have the full audio model describe the event's sound. Data: question (str)."""

EMIT = "heard.emit"
"""A sound of the rule's own making began and ended. Data: event, stream, score and id of it."""

MQTT_PUBLISH = "mqtt.publish"
"""Data: topic (str), payload (str), qos (0, 1 or 2), retain (bool)."""

WEBHOOK = "webhook.post"
"""Data: url (str), method (str), headers (mapping of text), body (str), content_type (str)."""

COMMAND = "command.run"
"""Data: command (list of str), timeout_s (float)."""

LOG = "heard.log"
"""Tell the owner in the log: stands in for an action that could not be worked out. Data: level, message."""


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
    qos: int = 1
    retain: bool = False
    continue_on_error: bool = True
    expires_s: float | None = None
    """How long it is worth delivering; None: as long as its door says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """Have the full audio model say in words what the event's sound is."""

    question: Template
    """Empty: what it is."""
    continue_on_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """Let a sound of the rule's own making begin and end, for other rules and everybody who listens."""

    event: str
    """The name that stands where a profile's would."""
    stream: Template | None = None
    """None: that of the sound that made the rule fire."""
    score: Template | None = None
    """None: that of the sound that made the rule fire, or 1."""
    continue_on_error: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PostWebhook:
    """Send a request over HTTP."""

    url: Template
    method: str = "POST"
    headers: Mapping[str, Template] = field(default_factory=dict)
    payload: Any = ""
    """As that of PublishMqtt."""
    continue_on_error: bool = True
    expires_s: float | None = None
    """As that of PublishMqtt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCommand:
    """Run a program, without a shell."""

    command: tuple[Template, ...]
    timeout_s: float
    continue_on_error: bool = True
    expires_s: float | None = None
    """As that of PublishMqtt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAction:
    """Call an action of Home Assistant."""

    name: str
    """`domain.action`"""
    target: Any = None
    """As the payload of PublishMqtt, or None."""
    data: Any = None
    continue_on_error: bool = True
    expires_s: float | None = None
    """As that of PublishMqtt."""


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


Request = SaveClip | Describe | Emit | PublishMqtt | PostWebhook | RunCommand | CallAction
"""What asks for something; everything else steers."""

Action = Request | Delay | SetVariables | Check | Stop | Choose | Repeat | Parallel
