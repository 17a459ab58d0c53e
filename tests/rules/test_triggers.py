"""Triggers beyond a single sound: sequences, silence, the clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from detectors.types import SoundEvent
from rules.calendar import next_match, next_time
from rules.engine import Engine
from rules.loader import load_rules
from rules.model import PatternTrigger, TimeTrigger
from rules.waking import LATE_S
from tests.rules.driving import drive
from tests.rules.sounds import clip_url, sound

BERLIN = ZoneInfo("Europe/Berlin")
DATA = "{topic: t, payload: '{{ trigger.id }} {{ trigger.stream }}'}"
SAY = f"  actions: [{{action: mqtt.publish, data: {DATA}}}]\n"


def glass(at: float, stream: str = "desk") -> SoundEvent:
    return sound(at, profile="glass", stream=stream)


def steps(at: float, stream: str = "desk", score: float = 0.9) -> SoundEvent:
    return sound(at, profile="steps", stream=stream, score=score)


def dog(at: float, stream: str = "desk") -> SoundEvent:
    return sound(at, profile="dog", stream=stream)


def fired(folder: Path, trigger: str, *events: SoundEvent | float, zone: tzinfo = UTC) -> list[float]:
    """Return when a rule with this trigger fires; a restart between all events must change nothing."""
    text = f"- id: r\n  triggers: [{trigger}]\n{SAY}"
    plain = drive(folder, text, *events, zone=zone)
    assert drive(folder, text, *events, zone=zone, restart=True) == plain
    return [at for at, _ in plain]


def test_below_is_outside_like_above(tmp_path: Path) -> None:
    """Between two scores, neither of which is included."""
    events = [steps(float(n), score=score) for n, score in enumerate((0.5, 0.6, 0.8, 0.9))]
    assert fired(tmp_path, "{trigger: sound, profile: steps, above: 0.5, below: 0.9}", *events) == [1, 2]


def test_the_id_of_a_trigger_tells_which_one_it_was(tmp_path: Path) -> None:
    """In templates and conditions; without one it is the sound's id, as it always was."""
    text = (
        "- id: r\n"
        "  triggers:\n"
        "    - {trigger: sound, profile: glass, id: broken}\n"
        "    - {trigger: sound, profile: steps}\n"
        "    - {trigger: sound, profile: dog, id: pet}\n"
        "  conditions: {not: {condition: trigger, id: pet}}\n" + SAY
    )
    assert drive(tmp_path, text, glass(1), steps(2), dog(3), zone=UTC) == [
        (1, "broken desk"),
        (2, "desk-steps-2 desk"),
    ]


# --- sequence ---------------------------------------------------------------------------------------------

THEN = "{trigger: sequence, sounds: [glass, steps], within: 30"


def test_one_sound_after_another_fires_within_the_time(tmp_path: Path) -> None:
    """In this order; the bound itself is included; then it begins anew."""
    assert fired(tmp_path, THEN + "}", glass(0), steps(30), steps(31)) == [30]
    assert fired(tmp_path, THEN + "}", glass(0), steps(30.1)) == []
    assert fired(tmp_path, THEN + "}", steps(0), glass(1)) == []
    assert fired(tmp_path, THEN + "}", glass(0), glass(20), steps(45)) == [45]
    assert fired(tmp_path, THEN + "}", glass(0), glass(0), steps(0)) == []


def test_a_sequence_may_stay_on_one_stream(tmp_path: Path) -> None:
    """By default it may go from room to room."""
    across = glass(0), steps(5, "hall"), steps(9)
    assert fired(tmp_path, THEN + "}", *across) == [5]
    assert fired(tmp_path, THEN + ", same_stream: true}", *across) == [9]


def test_a_third_sound_between_spoils_a_sequence(tmp_path: Path) -> None:
    """Before the first and after the last it does not matter."""
    trigger = THEN + ", without: dog}"
    assert fired(tmp_path, trigger, dog(0), glass(1), steps(5), dog(6)) == [5]
    assert fired(tmp_path, trigger, glass(1), dog(2), steps(5)) == []
    assert fired(tmp_path, trigger, glass(1), dog(2), glass(3), steps(5)) == [5]


def test_steps_of_a_sequence_may_say_more(tmp_path: Path) -> None:
    """Several profiles, a stream, a score; one sound is one step even where it fits two."""
    middle = "{profile: steps, above: 0.5, stream: hall}"
    three = f"{{trigger: sequence, sounds: [[glass, dog], {middle}, glass], within: 9}}"
    assert fired(tmp_path, three, dog(0), steps(1), steps(2, "hall", 0.4), glass(3)) == []
    assert fired(tmp_path, three, dog(0), steps(2, "hall"), glass(3)) == [3]
    twice = "{trigger: sequence, sounds: [glass, glass], within: 5}"
    assert fired(tmp_path, twice, glass(0), glass(4), glass(5), glass(6)) == [4, 6]


# --- silence ----------------------------------------------------------------------------------------------

DONE = "{trigger: silence, profile: wash, for: 60, after: 100}"


def wash(begin: float, end: float, stream: str = "desk") -> list[SoundEvent]:
    start = sound(begin, profile="wash", stream=stream)
    return [start, sound(begin, profile="wash", stream=stream, ended_at=end)]


def test_silence_fires_after_a_sound_that_went_on_for_long(tmp_path: Path) -> None:
    """So long after its end; pauses shorter than that belong to it."""
    assert fired(tmp_path, DONE, *wash(0, 50), *wash(90, 120), *wash(150, 200), 1000.0) == [260]
    assert fired(tmp_path, DONE, *wash(0, 50), 1000.0) == []
    assert fired(tmp_path, DONE, *wash(0, 50), *wash(111, 150), 1000.0) == []
    assert fired(tmp_path, DONE, *wash(0, 100), *wash(500, 600), 1000.0) == [160, 660]


def test_each_stream_falls_silent_by_itself(tmp_path: Path) -> None:
    """A machine in the hall does not keep the one in the kitchen running."""
    assert fired(tmp_path, DONE, *wash(0, 100), *wash(101, 300, "hall"), 1000.0) == [160, 360]


def test_a_sound_recognised_before_the_silence_was_long_enough_ends_it(tmp_path: Path) -> None:
    """Even if its stream lags so that it is reported later."""
    path = tmp_path / "lag.yaml"
    path.write_text(f"- id: r\n  triggers: [{DONE}]\n{SAY}")
    engine = Engine(load_rules(path), clip_url, UTC)
    state = engine.initial_state()
    for event in wash(0, 100):
        state, _ = engine.step(state, event, event.decided_at)
    assert engine.next_wake(state) == 160
    state, requests = engine.step(state, sound(155.0, profile="wash"), 170.0)
    assert not requests
    assert engine.next_wake(state) is None


# --- the clock --------------------------------------------------------------------------------------------


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_times_of_day_fire_on_their_weekdays(tmp_path: Path) -> None:
    """At each of the times, in the owner's zone."""
    trigger = '{trigger: time, at: ["07:00", "22:30:00"], weekday: [fri, sat]}'
    begin = at("2026-01-15T12:00:00+01:00")  # a Thursday
    days = [begin + day * 86_400 for day in range(5)]
    assert fired(tmp_path, trigger, *days, zone=BERLIN) == [
        at("2026-01-16T07:00:00+01:00"),
        at("2026-01-16T22:30:00+01:00"),
        at("2026-01-17T07:00:00+01:00"),
        at("2026-01-17T22:30:00+01:00"),
    ]


def clock(text: str, **more: object) -> TimeTrigger:
    return TimeTrigger(at=(datetime.fromisoformat(f"2000-01-01T{text}").time(),), **more)  # type: ignore[arg-type] # only weekdays


def test_a_time_that_the_clock_passes_over_counts_then() -> None:
    """In spring 02:30 does not exist: 03:00 comes in its place, and the next day it is itself again."""
    first = next_time(clock("02:30:00"), at("2026-03-28T12:00:00+01:00"), BERLIN)
    assert first == at("2026-03-29T03:00:00+02:00")
    assert next_time(clock("02:30:00"), first, BERLIN) == at("2026-03-30T02:30:00+02:00")


def test_a_time_that_comes_twice_counts_once() -> None:
    """In autumn the first 02:30 is the one."""
    first = next_time(clock("02:30:00"), at("2026-10-24T12:00:00+02:00"), BERLIN)
    assert first == at("2026-10-25T02:30:00+02:00")
    assert next_time(clock("02:30:00"), first, BERLIN) == at("2026-10-26T02:30:00+01:00")


def test_a_leap_day_is_a_day() -> None:
    """And midnight belongs to the day that begins."""
    first = next_time(clock("00:00:00"), at("2028-02-28T12:00:00+00:00"), ZoneInfo("UTC"))
    assert first == at("2028-02-29T00:00:00+00:00")
    tuesday = clock("00:00:00", weekdays=frozenset({1}))
    assert next_time(tuesday, at("2028-02-28T12:00:00+00:00"), ZoneInfo("UTC")) == at(
        "2028-02-29T00:00:00+00:00"
    )


@pytest.mark.parametrize(
    ("keys", "seconds"),
    [
        ("seconds: /20", [20, 40, 60, 80, 100]),
        ("seconds: 30", [30, 90]),
        ("minutes: '*'", [60]),
        ("minutes: 1, seconds: 5", [65]),
    ],
)
def test_patterns_fire_whenever_the_clock_fits(tmp_path: Path, keys: str, seconds: list[float]) -> None:
    """Units smaller than those named are zero, larger ones any."""
    begin = at("2026-01-15T12:00:00+01:00")
    trigger = f"{{trigger: time_pattern, {keys}}}"
    times = fired(tmp_path, trigger, begin, begin + 50.0, begin + 110.0, zone=BERLIN)
    assert [moment - begin for moment in times] == seconds


def test_patterns_follow_the_clock_through_its_changes() -> None:
    """An hour named is skipped where it does not exist, and counts once where it comes twice."""
    at_two = PatternTrigger(hours=(2,), minutes=(0,), seconds=(0,), fixed_hours=True)
    spring = next_match(at_two, at("2026-03-28T12:00:00+01:00"), BERLIN)
    assert spring == at("2026-03-30T02:00:00+02:00")
    autumn = next_match(at_two, at("2026-10-24T12:00:00+02:00"), BERLIN)
    assert autumn == at("2026-10-25T02:00:00+02:00")
    assert next_match(at_two, autumn, BERLIN) == at("2026-10-26T02:00:00+01:00")
    hourly = PatternTrigger(minutes=(0,), seconds=(0,))
    assert next_match(hourly, autumn, BERLIN) == autumn + 3600


def test_a_time_that_was_missed_by_far_is_not_made_up_for(tmp_path: Path) -> None:
    """The daemon slept: what is a minute late still happens, what is an hour late does not."""
    path = tmp_path / "late.yaml"
    path.write_text(f"- id: r\n  triggers: [{{trigger: time, at: '12:00'}}]\n{SAY}")
    engine = Engine(load_rules(path), clip_url, UTC)
    noon = at("2026-01-15T12:00:00+00:00")
    state, _ = engine.step(engine.initial_state(), None, noon - 3600)
    assert engine.next_wake(state) == noon
    _, late = engine.step(state, None, noon + LATE_S)
    assert [request.due_at for request in late] == [noon]
    state, later = engine.step(state, None, noon + 3600)
    assert not later
    assert engine.next_wake(state) == noon + timedelta(days=1).total_seconds()


def test_a_rule_of_the_clock_has_no_clip(tmp_path: Path) -> None:
    """It says so in the log, and its templates see no sound."""
    text = "- id: r\n  triggers: [{trigger: time, at: '12:00'}]\n  actions: [{action: heard.save_clip}]\n"
    noon = at("2026-01-15T12:00:00+00:00")
    assert drive(tmp_path, text, noon - 9, noon, zone=UTC) == [(noon, "heard.log")]
    text = f"- id: r\n  triggers: [{{trigger: time, at: '12:00', id: noon}}]\n{SAY}"
    assert drive(tmp_path, text, noon - 9, noon, zone=UTC) == [(noon, "noon None")]
