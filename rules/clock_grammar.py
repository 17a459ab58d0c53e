"""The triggers of a rule file that the clock makes fire."""

from __future__ import annotations

import re

from foundation.wording import describe
from rules.condition_grammar import read_weekdays
from rules.model import PatternTrigger, TimeTrigger
from rules.reading import Node, read_each, read_key
from rules.scope import read_name

TIME_KEYS = ("trigger", "id", "at", "weekday")
PATTERN_KEYS = ("trigger", "id", "hours", "minutes", "seconds")

_EVERY = re.compile(r"/([0-9]{1,2})")


def read_time(node: Node) -> TimeTrigger:
    """Read times of day."""
    keys = node.entries(TIME_KEYS, also={"weekdays": "weekday"}) or {}
    if "at" not in keys:
        node.refuse("'at' is missing: the time of day")
    return TimeTrigger(
        id=read_key(keys, "id", read_name, ""),
        at=read_each(keys.get("at"), Node.clock, at_least_one="time of day"),
        weekdays=read_weekdays(keys.get("weekday")),
    )


def read_pattern(node: Node) -> PatternTrigger:
    """Read a pattern. As in Home Assistant, what is smaller than the smallest unit named is zero."""
    keys = node.entries(PATTERN_KEYS) or {}
    if not keys.keys() & {"hours", "minutes", "seconds"}:
        node.refuse("the trigger 'time_pattern' needs 'hours', 'minutes' or 'seconds'")
    hours = _unit(keys.get("hours"), 24)
    minutes = _unit(keys.get("minutes"), 60) if "minutes" in keys or "hours" not in keys else (0,)
    seconds = _unit(keys.get("seconds"), 60) if "seconds" in keys else (0,)
    named = keys["hours"].value if "hours" in keys else None
    return PatternTrigger(
        id=read_key(keys, "id", read_name, ""),
        hours=hours,
        minutes=minutes,
        seconds=seconds,
        fixed_hours=hours is not None and not (isinstance(named, str) and named.startswith("/")),
    )


def _unit(node: Node | None, size: int) -> tuple[int, ...] | None:
    """Read `5`, `"*"` or `"/15"`; None: any."""
    if node is None or node.value == "*":
        return None
    if isinstance(node.value, str) and (match := _EVERY.fullmatch(node.value)) and 0 < int(match[1]) < size:
        return tuple(range(0, size, int(match[1])))
    value = node.value
    if isinstance(value, str) and value.isdecimal() and value.isascii() and len(value) < 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size:
        return (value,)
    node.refuse(
        f'expected a number from 0 to {size - 1}, "*" or "/5" (every fifth), found {describe(node.value)}'
    )
    return None
