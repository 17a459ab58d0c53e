"""The rule engine: pure, on event time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time
from time import process_time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.types import Phase, SoundEvent
from rules.model import (
    LOG,
    MQTT_PUBLISH,
    SAVE_CLIP,
    ActionRequest,
    Delay,
    PublishMqtt,
    Rule,
    SaveClip,
    SoundTrigger,
    TimeCondition,
)
from rules.state import EngineState
from rules.state_json import dump_state
from rules.template import compile_template
from tests.rules.sounds import engine, sound

if TYPE_CHECKING:
    from rules.engine import Engine

SNAP = SoundTrigger(profiles=("finger_snap",))


def rule(*triggers: SoundTrigger, **changes: Any) -> Rule:
    """Make a rule that keeps the clip, unless said otherwise."""
    return replace(Rule(id="r", triggers=triggers or (SNAP,), actions=(SaveClip(),)), **changes)


def publish(topic: str, payload: Any = "") -> PublishMqtt:
    return PublishMqtt(topic=compile_template(topic), payload=payload)


def run(rules: Engine, *steps: SoundEvent | float) -> list[ActionRequest]:
    """Run events at the moment they were decided, and ticks where a number stands."""
    state = rules.initial_state()
    requests: list[ActionRequest] = []
    for step in steps:
        if isinstance(step, SoundEvent):
            state, new = rules.step(state, step, step.decided_at)
        else:
            state, new = rules.step(state, None, step)
        requests.extend(new)
    return requests


def times(requests: list[ActionRequest]) -> list[float]:
    return [request.due_at for request in requests]


# --- what fires -------------------------------------------------------------------------------------------


def test_a_matching_sound_asks_for_the_action() -> None:
    """The request carries the rule, the action, the event and when it was due."""
    event = sound(100.0, decided_at=100.2)
    (request,) = run(engine(rule()), event)
    assert (request.rule_id, request.action, request.event) == ("r", SAVE_CLIP, event)
    assert request.due_at == event.decided_at
    assert request.data == {}


def test_other_profiles_streams_and_phases_do_not_fire() -> None:
    """A trigger is about what it names and nothing else."""
    rules = engine(rule(replace(SNAP, streams=("desk",))))
    assert not run(rules, sound(1, profile="cough"), sound(2, stream="hall"), sound(1, ended_at=3))
    assert len(run(rules, sound(1))) == 1


def test_phase_ended_fires_at_the_end() -> None:
    """And not at the start."""
    rules = engine(rule(replace(SNAP, phase=Phase.ENDED)))
    assert times(run(rules, sound(1), sound(1, ended_at=4, decided_at=4.5))) == [4.5]


def test_the_score_must_be_greater_than_above() -> None:
    """As in Home Assistant, the bound itself is not above."""
    rules = engine(rule(replace(SNAP, above=0.8)))
    assert not run(rules, sound(1, score=0.8))
    assert run(rules, sound(1, score=0.81))


def test_a_rule_fires_once_for_one_event() -> None:
    """Even where two of its triggers fit, or one names a profile twice."""
    twice = SoundTrigger(profiles=("finger_snap", "finger_snap"), streams=("desk", "desk"))
    assert len(run(engine(rule(SNAP, twice, SNAP)), sound(1))) == 1


def test_a_disabled_rule_is_deaf() -> None:
    """Nothing it says happens."""
    assert not run(engine(rule(enabled=False)), sound(1))


def test_rules_fire_in_the_order_of_the_files() -> None:
    """Whether they name the stream or not."""
    first = rule(replace(SNAP, streams=("desk",)), id="first")
    rules = engine(first, rule(id="second"), replace(first, id="third"))
    assert [request.rule_id for request in run(rules, sound(1))] == ["first", "second", "third"]


def test_conditions_hold_at_the_time_of_the_event() -> None:
    """All of them, on the event's clock."""
    night = TimeCondition(after=time(22), before=time(6))
    thursday = TimeCondition(weekdays=frozenset({3}))  # 1 January 1970
    rules = engine(rule(conditions=(night, thursday)))
    assert run(rules, sound(3 * 3600))
    assert not run(rules, sound(12 * 3600))
    assert not run(rules, sound(27 * 3600))


def test_after_a_firing_the_rule_cools_down() -> None:
    """On every stream; an event that did not fire does not prolong it; the bound itself is free again."""
    rules = engine(rule(cooldown_s=60))
    requests = run(rules, sound(0), sound(30, stream="hall"), sound(59.9), sound(60), sound(100))
    assert times(requests) == [0, 60]


def test_an_event_that_comes_late_is_in_the_cooldown_too() -> None:
    """Streams may lag: what happened just before the firing belongs to it."""
    assert times(run(engine(rule(cooldown_s=10)), sound(100), sound(95, stream="hall"))) == [100]


def test_a_clock_set_back_does_not_silence_a_rule() -> None:
    """A cooldown that lies in the future by more than its length is over."""
    assert times(run(engine(rule(cooldown_s=10)), sound(1e9), sound(1000))) == [1e9, 1000]


# --- for --------------------------------------------------------------------------------------------------

LONG = SoundTrigger(profiles=("siren",), for_s=10)


def test_for_fires_when_the_time_is_up() -> None:
    """Counted from the onset, at the next tick, dated when it was due."""
    rules = engine(rule(LONG))
    start = sound(100, profile="siren", decided_at=101)
    assert not run(rules, start, 109.9)
    assert times(run(rules, start, 115.0)) == [110]


def test_for_is_cancelled_by_the_end() -> None:
    """The end of another sound changes nothing."""
    rules = engine(rule(LONG))
    start = sound(100, profile="siren")
    assert not run(rules, start, sound(100, profile="siren", ended_at=109), 120.0)
    assert run(rules, start, sound(99, profile="siren", ended_at=109), 120.0)


def test_for_does_not_depend_on_ticks() -> None:
    """An end that is reported after the time was up fires as a tick in between would have."""
    rules = engine(rule(LONG))
    start = sound(100, profile="siren")
    end = sound(100, profile="siren", ended_at=109.8, decided_at=110.4)
    assert times(run(rules, start, end)) == times(run(rules, start, 110.0, end)) == [110]


def test_for_is_met_at_once_by_a_sound_that_was_recognised_late() -> None:
    """Nothing waits for a time that has passed."""
    start = sound(100, profile="siren", decided_at=112)
    assert times(run(engine(rule(LONG)), start)) == [112]


def test_for_with_phase_ended_asks_how_long_it_was() -> None:
    """A shorter sound does not fire at its end."""
    rules = engine(rule(replace(LONG, phase=Phase.ENDED)))
    assert not run(rules, sound(0, profile="siren"), sound(0, profile="siren", ended_at=9))
    assert run(rules, sound(0, profile="siren"), sound(0, profile="siren", ended_at=10))


def test_an_end_that_arrives_late_still_cancels() -> None:
    """When a stream lags, what counts is when its end was heard."""
    rules = engine(rule(LONG))
    state, _ = rules.step(rules.initial_state(), sound(100, profile="siren"), 100)
    _, requests = rules.step(state, sound(100, profile="siren", ended_at=105), 130)
    assert not requests


def test_the_same_event_twice_waits_once() -> None:
    """A redelivered event makes no second request."""
    start = sound(100, profile="siren")
    assert len(run(engine(rule(LONG)), start, start, 120.0)) == 1


# --- count and within -------------------------------------------------------------------------------------

DOUBLE = replace(SNAP, count=2, within_s=1.0)


def test_two_sounds_in_time_fire_once() -> None:
    """The interval itself is included, and counting then begins anew."""
    assert times(run(engine(rule(DOUBLE)), sound(10), sound(11), sound(11.5))) == [11]
    assert times(run(engine(rule(DOUBLE)), sound(10), sound(11), sound(11.5), sound(12))) == [11, 12]


def test_sounds_too_far_apart_do_not_fire() -> None:
    """Each begins the wait anew."""
    assert not run(engine(rule(DOUBLE)), sound(10), sound(11.1), sound(12.2))


def test_onsets_count_and_not_when_they_were_decided() -> None:
    """A sound that was recognised late still happened when it did."""
    rules = engine(rule(DOUBLE))
    assert run(rules, sound(10, decided_at=10.1), sound(10.9, decided_at=12))


def test_one_sound_on_two_streams_is_no_repetition() -> None:
    """Two microphones hear one snap; repetitions are counted on each."""
    rules = engine(rule(DOUBLE))
    assert not run(rules, sound(10), sound(10, stream="hall"))
    assert len(run(rules, sound(10), sound(10, stream="hall"), sound(10.5))) == 1


def test_the_same_event_twice_counts_once() -> None:
    """A redelivered event is no repetition."""
    assert not run(engine(rule(DOUBLE)), sound(10), sound(10))


def test_sounds_out_of_order_count() -> None:
    """An earlier sound that is reported later is still a neighbour."""
    assert run(engine(rule(DOUBLE)), sound(10.5), sound(10))


def test_only_sounds_that_were_long_enough_count() -> None:
    """`for` and `count` together."""
    trigger = replace(LONG, for_s=2, count=2, within_s=60)
    rules = engine(rule(trigger))
    short = [sound(0, profile="siren"), sound(0, profile="siren", ended_at=1)]
    long = [sound(10, profile="siren"), sound(10, profile="siren", ended_at=15)]
    assert not run(rules, *short, *long, 20.0)
    again = [sound(30, profile="siren"), sound(30, profile="siren", ended_at=35)]
    assert times(run(rules, *short, *long, *again)) == [32]


# --- actions ----------------------------------------------------------------------------------------------


def test_a_delay_holds_back_what_follows() -> None:
    """Delays add up; what stands before is due at once."""
    actions = (publish("a"), Delay(delay_s=30), publish("b"), Delay(delay_s=5), publish("c"))
    rules = engine(rule(actions=actions))
    state, first = rules.step(rules.initial_state(), sound(100), 100)
    assert [request.data["topic"] for request in first] == ["a"]
    assert rules.next_wake(state) == 130
    state, second = rules.step(state, None, 130)
    assert [(request.data["topic"], request.due_at) for request in second] == [("b", 130)]
    state, third = rules.step(state, None, 200)
    assert [(request.data["topic"], request.due_at) for request in third] == [("c", 135)]
    assert rules.next_wake(state) is None


def test_next_wake_is_the_first_of_everything_that_waits() -> None:
    """Sounds that go on, and requests held back."""
    rules = engine(rule(LONG, id="long"), rule(id="held", actions=(Delay(delay_s=4), SaveClip())))
    assert rules.next_wake(rules.initial_state()) is None
    state, _ = rules.step(rules.initial_state(), sound(0, profile="siren"), 0)
    assert rules.next_wake(state) == 10
    state, _ = rules.step(state, sound(1), 1)
    assert rules.next_wake(state) == 5


def test_data_is_rendered_in_full() -> None:
    """Text in topics, types in JSON, everything about the event."""
    payload = {
        "where": compile_template("{{ trigger.stream }}"),
        "score": compile_template("{{ trigger.score }}"),
        "list": [compile_template("{{ trigger.phase }} by {{ rule.id }}"), 7, True, None],
        "when": compile_template("{{ trigger.started }}"),
        "until": compile_template("{{ trigger.ended }}"),
        "clip": compile_template("{{ trigger.clip_url }}"),
        "levels": compile_template("{{ [trigger.level_dbfs, trigger.noise_floor_dbfs] }}"),
    }
    rules = engine(rule(actions=(publish("heard/{{ trigger.profile }}", payload),)))
    event = replace(sound(1_000_000_000.5), noise_floor_dbfs=float("-inf"), score=0.123456)
    (request,) = run(rules, event)
    assert request.action == MQTT_PUBLISH
    assert request.data["topic"] == "heard/finger_snap"
    assert (request.data["qos"], request.data["retain"]) == (1, False)
    assert json.loads(request.data["payload"]) == {
        "where": "desk",
        "score": 0.1235,
        "list": ["started by r", 7, True, None],
        "when": "2001-09-09T01:46:40.500+00:00",
        "until": None,
        "clip": f"clips/{event.id}.flac",
        "levels": [-20.0, None],
    }


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (compile_template("{{ 1 / 0 }}"), "division by zero"),
        ({"x": compile_template("{{ 1e308 * 10 }}")}, "the payload is no JSON"),
        ([compile_template("x" * 4000)] * 100, "longer than 262144 characters"),
    ],
)
def test_what_cannot_be_worked_out_is_told_in_the_log(payload: Any, why: str) -> None:
    """In place of the action, which is named; the others still happen."""
    rules = engine(rule(actions=(publish("t", payload), SaveClip())))
    failed, kept = run(rules, sound(1))
    assert (failed.action, failed.data["level"]) == (LOG, "error")
    assert "rule 'r', action 1 (mqtt.publish)" in failed.data["message"]
    assert why in failed.data["message"]
    assert kept.action == SAVE_CLIP


def test_ids_tell_requests_apart_and_are_the_same_again() -> None:
    """By rule, trigger, event, phase and action; a replay gives the same."""
    both = (SNAP, replace(SNAP, phase=Phase.ENDED))
    rules = engine(rule(*both, actions=(SaveClip(), SaveClip())), rule(id="other"))
    events = sound(1), sound(1, ended_at=2), sound(3)
    ids = [request.id for request in run(rules, *events)]
    assert len(set(ids)) == len(ids) == 8
    assert ids == [request.id for request in run(rules, *events)]


# --- state ------------------------------------------------------------------------------------------------


def test_a_step_changes_nothing_it_was_given() -> None:
    """The old state gives the same answer again."""
    rules = engine(rule(DOUBLE, cooldown_s=5), rule(LONG, id="long"))
    before, _ = rules.step(rules.initial_state(), sound(1), 1)
    kept = dump_state(before)
    first = rules.step(before, sound(1.5), 1.5)
    assert rules.step(before, sound(1.5), 1.5) == first
    assert dump_state(before) == kept


def test_state_of_edited_rules_is_dropped() -> None:
    """What waited for a trigger that is gone, a rule that is gone or disabled, does not happen."""
    held = rule(id="held", actions=(Delay(delay_s=9), SaveClip()), cooldown_s=60)
    old = engine(rule(LONG, id="long"), rule(DOUBLE, id="double"), held)
    state: EngineState = old.initial_state()
    for event in (sound(0, profile="siren"), sound(1)):
        state, _ = old.step(state, event, event.decided_at)
    assert all((state.sounding, state.onsets, state.fired_at, state.runs))
    assert old.restore(dump_state(state)) == state
    edited = engine(
        rule(replace(LONG, for_s=11), id="long"),
        rule(replace(DOUBLE, within_s=3), id="double"),
        replace(held, enabled=False),
    )
    assert edited.restore(dump_state(state)) == edited.initial_state()


@pytest.mark.parametrize("data", [None, {}, [], {"version": 1}, {"version": 2, "sounding": 3}, "x"])
def test_a_damaged_state_is_refused(data: object) -> None:
    """With ValueError, so that the daemon can begin anew and say so."""
    with pytest.raises(ValueError, match="not a dumped state"):
        engine(rule()).restore(data)


ALL_KINDS = (
    rule(SNAP, id="plain", cooldown_s=3),
    rule(
        replace(SNAP, streams=("desk",), above=0.5),
        id="above",
        actions=(SaveClip(), Delay(delay_s=2), SaveClip()),
    ),
    rule(replace(SNAP, count=3, within_s=4.0), id="count"),
    rule(replace(SNAP, for_s=1.5), id="for", cooldown_s=2),
    rule(replace(SNAP, for_s=1.0, count=2, within_s=9.0), replace(SNAP, phase=Phase.ENDED), id="both"),
    rule(replace(SNAP, for_s=1.0, phase=Phase.ENDED), id="ended", actions=(publish("t", {"a": 1}),)),
)
_SOUNDS = st.lists(
    st.tuples(
        st.integers(0, 60).map(lambda quarter: quarter / 4),
        st.integers(1, 16).map(lambda quarter: quarter / 4),
        st.sampled_from(["desk", "hall"]),
        st.sampled_from([0.4, 0.9]),
    ),
    max_size=10,
    unique_by=lambda item: (item[0], item[2]),
)


def both_ends(sounds: list[tuple[float, float, str, float]]) -> list[SoundEvent]:
    """Give the start and the end of each sound, in the order in which they were decided."""
    events = []
    for onset, length, stream, score in sounds:
        events.append(sound(onset, stream=stream, score=score))
        events.append(sound(onset, stream=stream, score=score, ended_at=onset + length))
    return sorted(events, key=lambda event: (event.decided_at, event.id, event.phase))


def drive(
    events: list[SoundEvent], *, reload_at: int | None = None, ticks: bool = False
) -> list[ActionRequest]:
    """Run events through ALL_KINDS, with a restart before one of them, or with ticks between all."""
    rules = engine(*ALL_KINDS)
    requests: list[ActionRequest] = []
    state = rules.initial_state()
    for index, event in enumerate(events):
        if index == reload_at:
            rules = engine(*ALL_KINDS)
            state = rules.restore(json.loads(json.dumps(dump_state(state), allow_nan=False)))
        while ticks and (wake := rules.next_wake(state)) is not None and wake <= event.decided_at:
            state, due = rules.step(state, None, wake)
            requests.extend(due)
        state, due = rules.step(state, event, event.decided_at)
        requests.extend(due)
    _, due = rules.step(state, None, 1000.0)
    return [*requests, *due]


@settings(deadline=None)
@given(sounds=_SOUNDS, data=st.data())
def test_a_restart_at_any_point_changes_nothing(
    sounds: list[tuple[float, float, str, float]], data: st.DataObject
) -> None:
    """In the middle of a `for`, a count, a cooldown or a delay, the same requests follow."""
    events = both_ends(sounds)
    at = data.draw(st.integers(0, max(0, len(events) - 1)))
    assert drive(events, reload_at=at) == drive(events)


@settings(deadline=None)
@given(sounds=_SOUNDS)
def test_ticks_change_only_when_requests_come(sounds: list[tuple[float, float, str, float]]) -> None:
    """Waking for everything that is due, or for nothing, decides alike: live and replay agree."""
    events = both_ends(sounds)

    def ordered(requests: list[ActionRequest]) -> list[tuple[float, str]]:
        return sorted((request.due_at, request.id) for request in requests)

    assert ordered(drive(events, ticks=True)) == ordered(drive(events))


@settings(deadline=None)
@given(sounds=_SOUNDS, data=st.data())
def test_events_in_any_order_break_nothing(
    sounds: list[tuple[float, float, str, float]], data: st.DataObject
) -> None:
    """However much streams lag: ids stay unique and nothing is left waiting."""
    events = data.draw(st.permutations(both_ends(sounds)))
    requests = drive(list(events))
    plain = [request for request in requests if request.rule_id == "above"]
    assert len({request.id for request in plain}) == len(plain)
    expected = sum(
        1 for event in events if event.phase is Phase.STARTED and event.stream == "desk" and event.score > 0.5
    )
    assert len(plain) == 2 * expected


def test_thousands_of_other_rules_cost_nothing() -> None:
    """A step looks at the rules for its own profile only."""
    others = [rule(SoundTrigger(profiles=(f"profile_{n}",)), id=f"r{n}") for n in range(5_000)]
    rules = engine(*others, rule())
    state = rules.initial_state()
    began = process_time()
    for n in range(1_000):
        state, requests = rules.step(state, sound(float(n)), float(n))
        assert len(requests) == 1
    # Scanning 5,000 rules a thousand times takes several seconds at the very least.
    assert process_time() - began < 2.0
