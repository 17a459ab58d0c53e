"""What must be so for a rule to go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import time

    from rules.template import Template


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
class MqttCondition:
    """True where the last payload seen on a topic is what it should be. Never heard of: not true."""

    topic: str
    payloads: tuple[str, ...] = ()
    """One of these; empty: whatever makes the template true."""
    template: Template | None = None
    """What is compared with `payloads`, in place of the payload itself."""
    max_age_s: float | None = None
    """None: however long ago it was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateCondition:
    """True where every one of these entities of Home Assistant is in one of the states."""

    entities: tuple[str, ...]
    states: tuple[str, ...]
    attribute: str = ""
    """Compare this attribute, as text, in place of the state."""
    for_s: float = 0.0
    """How long it must have been so."""
    max_age_s: float
    """What Home Assistant has not confirmed for longer is not known."""


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


Condition = (
    TimeCondition
    | TemplateCondition
    | TriggerCondition
    | MqttCondition
    | StateCondition
    | AllOf
    | AnyOf
    | NoneOf
)
