"""Whether a condition holds at a moment."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.model import TimeCondition


def holds(condition: TimeCondition, at: float, zone: tzinfo) -> bool:
    """Tell whether the clock on the wall in `zone` satisfies the condition at `at`, Unix seconds."""
    moment = datetime.fromtimestamp(at, zone)
    if condition.weekdays and moment.weekday() not in condition.weekdays:
        return False
    clock = moment.time()
    past = condition.after is None or clock >= condition.after
    ahead = condition.before is None or clock < condition.before
    if condition.after is not None and condition.before is not None and condition.after > condition.before:
        return past or ahead
    return past and ahead
