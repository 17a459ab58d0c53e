"""Why a condition does not hold: what was found, and what was wanted."""

from __future__ import annotations

from rules.conditions import holds
from rules.context import Context
from rules.model import (
    AllOf,
    AnyOf,
    Condition,
    MqttCondition,
    NoneOf,
    StateCondition,
    TemplateCondition,
    TimeCondition,
    TriggerCondition,
)

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def why_not(condition: Condition, context: Context) -> str:  # noqa: PLR0911 - one for each kind
    """Say in a line why `condition`, which does not hold, does not."""
    match condition:
        case TimeCondition():
            return f"time, it was {context.house.local(context.at):%a %H:%M:%S}, {_wanted(condition)}"
        case TriggerCondition():
            wanted = " or ".join(condition.ids)
            return f"trigger, it was {context.cause.trigger_id or 'one without an id'}, wanted {wanted}"
        case TemplateCondition():
            return f"template {_short(condition.template.source)}"
        case MqttCondition():
            return _why_not_said(condition, context)
        case StateCondition():
            return _why_not_in_state(condition, context)
        case AllOf():
            failing = next((each for each in condition.conditions if not holds(each, context)), None)
            return "and" if failing is None else why_not(failing, context)
        case AnyOf():
            return "none of " + "; ".join(why_not(each, context) for each in condition.conditions)
        case NoneOf():
            held = [n for n, each in enumerate(condition.conditions, start=1) if holds(each, context)]
            return f"not, and number {held[0]} of its conditions holds" if held else "not"


def _why_not_said(condition: MqttCondition, context: Context) -> str:
    said = context.world.messages.get(condition.topic)
    wanted = " or ".join(map(repr, condition.payloads)) or "what makes its template true"
    if said is None:
        return f"mqtt, nothing was said on {condition.topic}, wanted {wanted}"
    age = f", {context.at - said.at:.0f} s ago" if condition.max_age_s is not None else ""
    return f"mqtt, {condition.topic} was {_short(said.payload)!r}{age}, wanted {wanted}"


def _why_not_in_state(condition: StateCondition, context: Context) -> str:
    wanted = " or ".join(map(repr, condition.states))
    for entity_id in condition.entities:
        known = context.world.entity(entity_id, context.at, condition.max_age_s)
        if known is None:
            return f"state, {entity_id} is not known, wanted {wanted}"
        told = known.told
        found = str(told.attributes.get(condition.attribute)) if condition.attribute else told.state
        if found not in condition.states:
            return f"state, {entity_id} was {_short(found)!r}, wanted {wanted}"
        if context.at - known.since < condition.for_s:
            return f"state, {entity_id} so for {context.at - known.since:.0f} s, wanted {condition.for_s:g} s"
    return "state"


def _wanted(condition: TimeCondition) -> str:
    parts = [
        f"{word} {clock}"
        for word, clock in (("after", condition.after), ("before", condition.before))
        if clock is not None
    ]
    if condition.weekdays:
        parts.append("on " + ", ".join(_DAYS[day] for day in sorted(condition.weekdays)))
    return "wanted " + " and ".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
