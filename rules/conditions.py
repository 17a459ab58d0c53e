"""Whether a condition holds at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rules.context import Context, read_payload
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
from rules.template import Template

_TRUE_WORDS = frozenset({"true", "yes", "on", "1"})


def all_hold(conditions: Iterable[Condition], context: Context) -> bool:
    """Tell whether every condition holds; raises TemplateFault where a template cannot tell."""
    return all(holds(condition, context) for condition in conditions)


def holds(condition: Condition, context: Context) -> bool:  # noqa: PLR0911 - one for each kind
    """Tell whether the condition holds; raises TemplateFault where a template cannot tell."""
    match condition:
        case TimeCondition():
            return _in_time(condition, context.house.local(context.at))
        case TriggerCondition():
            return context.cause.trigger_id in condition.ids
        case TemplateCondition():
            return is_true(condition.template.value(context.names))
        case MqttCondition():
            return _was_said(condition, context)
        case StateCondition():
            return all(_is_in_state(condition, entity_id, context) for entity_id in condition.entities)
        case AllOf():
            return all_hold(condition.conditions, context)
        case AnyOf():
            return any(holds(each, context) for each in condition.conditions)
        case NoneOf():
            return not any(holds(each, context) for each in condition.conditions)


def is_true(value: object) -> bool:
    """Tell whether a template says yes: true, a number other than 0, or true, yes, on or 1."""
    if isinstance(value, bool | int | float):
        return bool(value)
    return isinstance(value, str) and value.strip().casefold() in _TRUE_WORDS


def value_of(payload: str, template: Template | None, context: Context) -> object:
    """Return what is compared: a payload, or what a template makes of it."""
    if template is None:
        return payload
    value = {"value": payload, "value_json": read_payload(payload)}
    return template.value({**context.names, **value})


def fits(value: object, payloads: tuple[str, ...]) -> bool:
    """Tell whether a value, as text, is one of those wanted; where none are, whether it is true."""
    return str(value) in payloads if payloads else is_true(value)


def _was_said(condition: MqttCondition, context: Context) -> bool:
    said = context.world.messages.get(condition.topic)
    if said is None or (condition.max_age_s is not None and context.at - said.at > condition.max_age_s):
        return False
    return fits(value_of(said.payload, condition.template, context), condition.payloads)


def _is_in_state(condition: StateCondition, entity_id: str, context: Context) -> bool:
    known = context.world.entity(entity_id, context.at, condition.max_age_s)
    if known is None or context.at - known.since < condition.for_s:
        return False
    if not condition.attribute:
        return known.told.state in condition.states
    value = known.told.attributes.get(condition.attribute)
    return value is not None and str(value) in condition.states


def _in_time(condition: TimeCondition, moment: datetime) -> bool:
    """Compare with what the clock on the wall shows."""
    if condition.weekdays and moment.weekday() not in condition.weekdays:
        return False
    clock = moment.time()
    past = condition.after is None or clock >= condition.after
    ahead = condition.before is None or clock < condition.before
    if condition.after is not None and condition.before is not None and condition.after > condition.before:
        return past or ahead
    return past and ahead
