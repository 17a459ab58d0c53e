"""Whether a condition holds at a moment."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from rules.model import AllOf, AnyOf, NoneOf, TemplateCondition, TimeCondition, TriggerCondition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rules.context import Context
    from rules.model import Condition

_TRUE_WORDS = frozenset({"true", "yes", "on", "1"})


def all_hold(conditions: Iterable[Condition], context: Context) -> bool:
    """Tell whether every condition holds; raises TemplateFault where a template cannot tell."""
    return all(holds(condition, context) for condition in conditions)


def holds(condition: Condition, context: Context) -> bool:
    """Tell whether the condition holds; raises TemplateFault where a template cannot tell."""
    match condition:
        case TimeCondition():
            return _in_time(condition, datetime.fromtimestamp(context.at, context.house.zone))
        case TriggerCondition():
            return context.cause.trigger_id in condition.ids
        case TemplateCondition():
            return _is_true(condition.template.value(context.names))
        case AllOf():
            return all_hold(condition.conditions, context)
        case AnyOf():
            return any(holds(each, context) for each in condition.conditions)
        case NoneOf():
            return not any(holds(each, context) for each in condition.conditions)


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


def _is_true(value: object) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    return isinstance(value, str) and value.strip().casefold() in _TRUE_WORDS
