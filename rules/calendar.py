"""When the clock on the wall next shows what a trigger waits for, through both changes of the year."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.model import PatternTrigger, TimeTrigger

_DAYS_AHEAD = 9
"""A week, and a day on each side for the hours in which the clock is changed."""
_HOURS_AHEAD = 24 * 4
"""A pattern may name an hour that does not exist on one day, and one that is passed over on the next."""
_OFFSET_STEP_S = 900
"""Zones differ by quarters of an hour."""


def next_time(trigger: TimeTrigger, after: float, zone: tzinfo) -> float:
    """Return the first moment later than `after` (Unix seconds) that the trigger names.

    A time that the clock passes over in spring counts when it is passed over; one that comes twice in autumn
    counts the first time.
    """
    today = datetime.fromtimestamp(after, zone).date()
    moments = [
        _moment(datetime.combine(day, clock), zone)
        for day in (today + timedelta(days=n) for n in range(_DAYS_AHEAD))
        if not trigger.weekdays or day.weekday() in trigger.weekdays
        for clock in trigger.at
    ]
    return min(moment for moment in moments if moment > after)


def next_match(trigger: PatternTrigger, after: float, zone: tzinfo) -> float:
    """Return the first whole second later than `after` that fits the pattern."""
    begin = math.floor(after) + 1
    for stretch in range(begin // _OFFSET_STEP_S, begin // _OFFSET_STEP_S + _HOURS_AHEAD * 4):
        first = max(begin, stretch * _OFFSET_STEP_S)
        local = datetime.fromtimestamp(first, zone)
        if not _hour_fits(trigger, local):
            continue
        found = _match_in_hour(
            trigger, local.minute * 60 + local.second, _OFFSET_STEP_S - first % _OFFSET_STEP_S
        )
        if found is not None:
            return float(first + found)
    raise AssertionError(f"the clock never shows {trigger}")


def _moment(wall: datetime, zone: tzinfo) -> float:
    """Return when the clock shows `wall`, or first shows more."""
    early = wall.replace(tzinfo=zone, fold=0).timestamp()
    late = wall.replace(tzinfo=zone, fold=1).timestamp()
    if late >= early:
        return early
    # Passed over: the clock jumps somewhere between the two readings.
    low, high = late, early
    while high - low > 1:
        middle = (low + high) // 2
        shown = datetime.fromtimestamp(middle, zone).replace(tzinfo=None)
        low, high = (low, middle) if shown > wall else (middle, high)
    return high


def _hour_fits(trigger: PatternTrigger, local: datetime) -> bool:
    if trigger.hours is not None and local.hour not in trigger.hours:
        return False
    return not (trigger.fixed_hours and local.fold)


def _match_in_hour(trigger: PatternTrigger, second: int, length: int) -> int | None:
    """Return how many seconds, less than `length`, after `second` of an hour the pattern next fits."""
    minutes, seconds = trigger.minutes, trigger.seconds
    for minute in range(second // 60, (second + length - 1) // 60 + 1):
        if minutes is not None and minute not in minutes:
            continue
        for within in range(60) if seconds is None else seconds:
            ahead = minute * 60 + within - second
            if 0 <= ahead < length:
                return ahead
    return None
