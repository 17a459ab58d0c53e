"""The time condition, on the wall clock of the owner's zone."""

from __future__ import annotations

from datetime import datetime, time, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import conditions
from rules.model import Condition, TimeCondition
from tests.rules.sounds import context

BERLIN = ZoneInfo("Europe/Berlin")


def holds(condition: Condition, at: float, zone: tzinfo) -> bool:
    return conditions.holds(condition, context(at, zone=zone))


def at(text: str) -> float:
    """Return Unix seconds of a moment given with its offset."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("clock", "night", "day"),
    [
        ("21:59:59", False, True),
        ("22:00:00", True, False),
        ("23:30:00", True, False),
        ("00:00:00", True, False),
        ("05:59:59", True, False),
        ("06:00:00", False, True),
        ("12:00:00", False, True),
    ],
)
def test_after_and_before_go_over_midnight(clock: str, night: bool, day: bool) -> None:  # noqa: FBT001 - a table
    """The first moment is in, the last is out, and the two halves of the day make a whole."""
    moment = at(f"2026-01-15T{clock}+01:00")
    assert holds(TimeCondition(after=time(22), before=time(6)), moment, BERLIN) is night
    assert holds(TimeCondition(after=time(6), before=time(22)), moment, BERLIN) is day


def test_one_bound_is_enough() -> None:
    """After alone lasts until midnight, before alone begins there."""
    moment = at("2026-01-15T08:00:00+01:00")
    assert holds(TimeCondition(after=time(8)), moment, BERLIN)
    assert not holds(TimeCondition(before=time(8)), moment, BERLIN)


def test_the_day_is_the_one_on_the_clock() -> None:
    """A quarter past midnight on Saturday is Saturday, and the zone decides which day it is."""
    friday, saturday = TimeCondition(weekdays=frozenset({4})), TimeCondition(weekdays=frozenset({5}))
    moment = at("2026-01-16T23:15:00+00:00")
    assert holds(saturday, moment, BERLIN)
    assert not holds(friday, moment, BERLIN)
    assert holds(friday, moment, ZoneInfo("UTC"))


def test_daylight_saving_moves_the_clock() -> None:
    """In spring 02:30 does not exist and is past at 03:00; in autumn both times 02:30 count."""
    after_half_past_two = TimeCondition(after=time(2, 30), before=time(4))
    assert not holds(after_half_past_two, at("2026-03-29T00:59:59+00:00"), BERLIN)
    assert holds(after_half_past_two, at("2026-03-29T01:00:00+00:00"), BERLIN)
    assert holds(after_half_past_two, at("2026-10-25T00:30:00+00:00"), BERLIN)
    assert not holds(after_half_past_two, at("2026-10-25T01:00:00+00:00"), BERLIN)
    assert holds(after_half_past_two, at("2026-10-25T01:30:00+00:00"), BERLIN)


@settings(deadline=None)
@given(moment=st.floats(0, 4e9), first=st.times(), second=st.times())
def test_a_span_and_its_complement_never_agree(moment: float, first: time, second: time) -> None:
    """From a to b, or from b to a: every moment is in exactly one."""
    if first != second:
        one = holds(TimeCondition(after=first, before=second), moment, BERLIN)
        other = holds(TimeCondition(after=second, before=first), moment, BERLIN)
        assert one is not other
