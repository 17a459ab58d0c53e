"""What the rules remember over a restart, and what of it belongs to a decision."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC

import pytest

from daemon.deciding.memory import Scribe, decided, recalled
from rules.engine import Engine
from rules.facts import MqttMessage
from rules.model import Delay, MqttCondition, Rule, SaveClip, SoundTrigger
from rules.state import EngineState
from rules.state_json import dump_state
from tests.daemon.sounds import sound


@pytest.fixture
def engine() -> Engine:
    rule = Rule(
        id="glass",
        triggers=(SoundTrigger(profiles=("glass_breaking",)), SoundTrigger(profiles=("siren",), for_s=30.0)),
        actions=(Delay(delay_s=60.0), SaveClip()),
        cooldown_s=3_600.0,
    )
    return Engine([rule], lambda _: "", UTC)


def heard(engine: Engine, *profiles: str) -> EngineState:
    state = engine.initial_state()
    for profile in profiles:
        event = sound(profile=profile)
        state, _ = engine.step(state, event, event.decided_at)
    return state


def test_a_cooldown_and_a_delay_outlive_a_restart(engine: Engine) -> None:
    """The daemon goes on where it was."""
    state = heard(engine, "glass_breaking")

    restored = recalled(Scribe().memory(state)(), engine, 10.0)

    assert restored == state
    assert restored.fired_at
    assert restored.runs


def test_states_that_follow_one_another_are_written_down_in_full(engine: Engine) -> None:
    """What has not changed is not worked out again, and comes out the same."""
    scribe, state = Scribe(), engine.initial_state()
    for number, profile in enumerate(("glass_breaking", "siren", "glass_breaking", "siren")):
        event = replace(sound(profile=profile), id=f"{number:016x}")
        state, _ = engine.step(state, event, event.decided_at + number)
        assert json.loads(scribe.memory(state)()) == json.loads(json.dumps(dump_state(state)))
    assert recalled(scribe.memory(state)(), engine, 10.0).runs == state.runs


def test_a_sound_that_went_on_has_to_be_found_again(engine: Engine) -> None:
    """After a crash nobody will tell its end, so nothing may follow from how long it lasts by itself."""
    state = heard(engine, "siren")
    assert state.sounding

    restored = recalled(Scribe().memory(state)(), engine, 10.0)

    assert [(item.lost_at, item.findable) for item in restored.sounding.values()] == [(10.0, True)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 99}'])
def test_what_cannot_be_read_starts_the_rules_afresh(
    engine: Engine, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, and stops nothing."""
    assert recalled(content, engine, 10.0) == engine.initial_state()
    assert "start afresh" in caplog.text


def test_only_what_the_rules_made_of_it_is_a_decision(engine: Engine) -> None:
    """What others said is told again after a restart, so the disk need not have it at once."""
    rule = Rule(
        id="listens",
        triggers=(SoundTrigger(profiles=("siren",), for_s=30.0),),
        conditions=(MqttCondition(topic="home/mode", payloads=("away",)),),
        actions=(SaveClip(),),
    )
    engine = Engine([rule], lambda _: "", UTC)
    before = engine.initial_state()
    told = MqttMessage(topic="home/mode", payload="away", at=1.0, retained=False)
    after, _ = engine.step(before, told, 1.0)
    assert after != before
    assert not decided(before, after)
    event = sound(profile="siren")
    sounding, _ = engine.step(after, event, event.decided_at)
    assert decided(after, sounding)
    assert decided(None, after)
