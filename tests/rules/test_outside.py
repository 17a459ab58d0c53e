"""What is said over MQTT, and how things stand in Home Assistant: triggers, conditions, templates."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from rules.engine import Engine
from rules.facts import MAX_MESSAGE, Confirmation, EntityState, Fact, MqttMessage
from rules.loader import load_rules
from tests.rules.driving import drive
from tests.rules.sounds import clip_url, sound

if TYPE_CHECKING:
    from pathlib import Path


ANY = "{trigger: mqtt, topic: a/#}"


def said(at: float, topic: str, payload: str, *, retained: bool = False) -> MqttMessage:
    return MqttMessage(topic=topic, payload=payload, at=at, retained=retained)


def stands(at: float, entity_id: str, state: str, **attributes: Any) -> EntityState:
    return EntityState(entity_id=entity_id, state=state, attributes=attributes, at=at)


def rule(trigger: str, payload: str = "'!'", *, more: str = "") -> str:
    return (
        f"- id: r\n  triggers: {trigger}\n{more}"
        f"  actions: {{action: mqtt.publish, data: {{topic: t, payload: {payload}}}}}\n"
    )


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("trigger", "facts", "expected"),
    [
        ("{trigger: mqtt, topic: home/door}", [said(1, "home/door", "x"), said(2, "home/doors", "x")], [1]),
        ("{trigger: mqtt, topic: home/+/door}", [said(1, "home/a/door", ""), said(2, "home/door", "")], [1]),
        ("{trigger: mqtt, topic: 'home/#'}", [said(1, "home", ""), said(2, "home/a/b", "")], [1, 2]),
        ("{trigger: mqtt, topic: '#'}", [said(1, "$SYS/load", "1"), said(2, "a", "1")], [2]),
        ("{trigger: mqtt, topic: a, payload: 'ON'}", [said(1, "a", "OFF"), said(2, "a", "ON")], [2]),
        ("{trigger: mqtt, topic: a, payload: 3}", [said(1, "a", "3"), said(2, "a", "3.0")], [1]),
        ("{trigger: mqtt, topic: a}", [said(1, "a", "x", retained=True), said(2, "a", "x")], [2]),
        (
            "{trigger: mqtt, topic: a, value_template: '{{ value_json.n }}', payload: 7}",
            [said(1, "a", '{"n": 7}'), said(2, "a", '{"n": 8}'), said(3, "a", "no json")],
            [1],
        ),
        (
            "{trigger: mqtt, topic: a, value_template: '{{ value | float(0) > 20 }}'}",
            [said(1, "a", "19"), said(2, "a", "21"), said(3, "a", "warm")],
            [2],
        ),
        (
            "{trigger: mqtt, topic: a}",
            [said(1, "a", "x" * MAX_MESSAGE), said(2, "a", "x" * (MAX_MESSAGE + 1))],
            [1],
        ),
        (
            "{trigger: state, entity_id: light.a, to: 'on'}",
            [stands(1, "light.a", "on"), stands(2, "light.a", "off"), stands(3, "light.a", "on")],
            [3],
        ),
        (
            "{trigger: state, entity_id: light.a}",
            [
                stands(1, "light.a", "on"),
                stands(2, "light.a", "on", brightness=3),
                stands(3, "light.a", "off"),
            ],
            [3],
        ),
        (
            "{trigger: state, entity_id: [light.a, light.b], from: 'off', to: ['on', dim]}",
            [
                stands(1, "light.a", "off"),
                stands(1, "light.b", "on"),
                stands(2, "light.a", "dim"),
                stands(3, "light.a", "on"),
            ],
            [2],
        ),
        (
            "{trigger: state, entity_id: light.a, to: 'on', for: 10}",
            [
                stands(1, "light.a", "off"),
                stands(2, "light.a", "on"),
                11.0,
                stands(11.5, "light.a", "on"),
                30.0,
            ],
            [12],
        ),
        (
            "{trigger: state, entity_id: light.a, to: 'on', for: 10}",
            [stands(1, "light.a", "off"), stands(2, "light.a", "on"), stands(8, "light.a", "off"), 30.0],
            [],
        ),
    ],
)
def test_triggers_hear_messages_and_changes(
    tmp_path: Path, trigger: str, facts: list[Fact | float], expected: list[float], *, restart: bool
) -> None:
    """By topic filter, payload or template; by what the state was and is, and for how long."""
    assert [at for at, _ in drive(tmp_path, rule(trigger), *facts, restart=restart)] == expected


@pytest.mark.parametrize(
    ("trigger", "payload", "fact", "expected"),
    [
        (
            "{trigger: mqtt, topic: a/+}",
            "'{{ trigger.topic }} {{ trigger.payload }}'",
            said(1, "a/b", "c"),
            "a/b c",
        ),
        (
            "{trigger: mqtt, topic: a}",
            "'{{ trigger.payload_json.x[1] }}'",
            said(1, "a", '{"x": [1, 2]}'),
            "2",
        ),
        (ANY, "'{{ trigger.payload_json is none }}'", said(1, "a", "NaN"), "True"),
        ("{trigger: mqtt, topic: a, id: one}", "'{{ trigger.id }}'", said(1, "a", ""), "one"),
        (
            "{trigger: state, entity_id: light.a}",
            "'{{ trigger.entity_id }} {{ trigger.from_state.state }} {{ trigger.to_state.attributes.x }}'",
            stands(1, "light.a", "on", x=5),
            "light.a off 5",
        ),
    ],
)
def test_templates_see_what_was_said(
    tmp_path: Path, trigger: str, payload: str, fact: Fact, expected: str
) -> None:
    """In the words that Home Assistant uses."""
    before = stands(0, "light.a", "off")
    assert drive(tmp_path, rule(trigger, payload), before, fact) == [(1, expected)]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    ("condition", "facts", "expected"),
    [
        ("{condition: mqtt, topic: a, is: armed}", [], False),
        ("{condition: mqtt, topic: a, is: armed}", [said(0, "a", "armed", retained=True)], True),
        ("{condition: mqtt, topic: a, is: [x, armed]}", [said(0, "a", "armed")], True),
        ("{condition: mqtt, topic: a, is: armed}", [said(0, "a", "armed"), said(1, "a", "off")], False),
        ("{condition: mqtt, topic: a, is: armed, max_age: 50}", [said(0, "a", "armed")], False),
        ("{condition: mqtt, topic: a, is: armed, max_age: 50}", [said(60, "a", "armed")], True),
        (
            "{condition: mqtt, topic: a, value_template: '{{ value_json.mode }}', is: away}",
            [said(0, "a", '{"mode": "away"}')],
            True,
        ),
        ("{condition: mqtt, topic: a, value_template: '{{ value | int > 3 }}'}", [said(0, "a", "4")], True),
        ("{condition: state, entity_id: light.a, state: 'on'}", [], False),
        ("{condition: state, entity_id: light.a, state: 'on'}", [stands(90, "light.a", "on")], True),
        (
            "{condition: state, entity_id: light.a, state: 'on', max_age: 30}",
            [stands(60, "light.a", "on")],
            False,
        ),
        (
            "{condition: state, entity_id: light.a, state: 'on', max_age: 30}",
            [stands(60, "light.a", "on"), Confirmation(at=90)],
            True,
        ),
        (
            "{condition: state, entity_id: light.a, state: 'on', for: 50}",
            [stands(20, "light.a", "on"), stands(80, "light.a", "on", x=1)],
            True,
        ),
        (
            "{condition: state, entity_id: light.a, state: 'on', for: 50}",
            [stands(20, "light.a", "off"), stands(80, "light.a", "on")],
            False,
        ),
        (
            "{condition: state, entity_id: light.a, attribute: effect, state: rainbow}",
            [stands(90, "light.a", "on", effect="rainbow")],
            True,
        ),
        (
            "{condition: state, entity_id: [light.a, light.b], state: 'on'}",
            [stands(90, "light.a", "on"), stands(90, "light.b", "off")],
            False,
        ),
        ("\"{{ states('light.a') == 'on' }}\"", [stands(90, "light.a", "on")], True),
        ("\"{{ states('light.a') == 'unknown' }}\"", [], True),
        ("\"{{ is_state('light.a', ['on', 'dim']) }}\"", [stands(90, "light.a", "dim")], True),
        ("\"{{ state_attr('light.a', 'x') > 3 }}\"", [stands(90, "light.a", "on", x=4)], True),
    ],
)
def test_conditions_ask_what_was_said_last(
    tmp_path: Path, condition: str, facts: list[Fact], *, expected: bool, restart: bool
) -> None:
    """Within its age; what was never told does not hold."""
    text = rule("{trigger: sound, profile: finger_snap}", more=f"  conditions: [{condition}]\n")
    assert bool(drive(tmp_path, text, *facts, sound(100), restart=restart)) is expected


def test_what_home_assistant_has_not_confirmed_for_long_is_not_known(tmp_path: Path) -> None:
    """To templates as to conditions."""
    plain = "{condition: state, entity_id: light.a, state: 'on'}"
    for condition in ("\"{{ is_state('light.a', 'on') }}\"", plain):
        text = rule("{trigger: sound, profile: finger_snap}", more=f"  conditions: [{condition}]\n")
        facts: list[Fact] = [stands(0, "light.a", "on"), Confirmation(at=90), sound(200), sound(250)]
        assert [at for at, _ in drive(tmp_path, text, *facts)] == [200]


def test_a_condition_behind_a_delay_asks_when_it_is_over(tmp_path: Path) -> None:
    """What was said meanwhile counts."""
    text = (
        "- id: r\n  triggers: {trigger: sound, profile: finger_snap}\n  actions:\n    - delay: 10\n"
        "    - {condition: mqtt, topic: a, is: go}\n"
        "    - {action: mqtt.publish, data: {topic: t, payload: '!'}}\n"
    )
    assert drive(tmp_path, text, sound(0), said(5, "a", "go"), 20.0) == [(10, "!")]
    assert drive(tmp_path, text, said(0, "a", "go"), sound(1), said(5, "a", "no"), 20.0) == []


def test_rules_say_what_they_have_to_be_told(tmp_path: Path) -> None:
    """Filters, topics and entities, wherever they are named; disabled rules ask for nothing."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- id: a\n"
        "  triggers: [{trigger: mqtt, topic: home/+}, {trigger: state, entity_id: light.a}]\n"
        "  variables: {x: \"{{ states('light.b') }}\"}\n"
        "  conditions: {or: [{condition: mqtt, topic: c, is: 1}, \"{{ is_state('light.c', 'on') }}\"]}\n"
        "  actions:\n"
        "    - if: {condition: state, entity_id: light.d, state: 'on'}\n"
        "      then: {action: light.on, data: {x: [\"{{ state_attr('light.e', 'y') }}\"]}}\n"
        "    - repeat: {while: {condition: mqtt, topic: d, is: 1}, sequence: [delay: 1]}\n"
        "- {id: b, enabled: false, trigger: {trigger: mqtt, topic: e}, action: {delay: 1}}\n"
    )
    engine = Engine(load_rules(path), clip_url, UTC)
    assert engine.topics == {"home/+", "c", "d"}
    assert engine.entities == {f"light.{letter}" for letter in "abcde"}
