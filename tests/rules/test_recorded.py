"""A recorded day, replayed: the same requests, to the byte."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rules.engine import Engine
from rules.facts import Confirmation, EntityState, Fact, MqttMessage, time_of
from rules.facts_json import dump_fact, load_fact
from rules.loader import load_rules
from rules.recorded import Began, Recorded, Told, replay, rules_digest
from rules.state import deafened
from rules.state_json import dump_state
from tests.rules.sounds import clip_url, sound

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from rules.model import ActionRequest

RULES = """\
- id: one
  triggers:
    - {trigger: sound, profile: siren, for: 5}
    - {trigger: sound, profile: snap, count: 2, within: 8}
    - {trigger: silence, profile: siren, for: 3}
  cooldown: 4
  actions:
    - {action: mqtt.publish, data: {topic: t, payload: {at: '{{ now() }}', s: "{{ states('light.a') }}"}}}
    - delay: 2.5
    - {action: heard.emit, data: {event: made}}
- id: two
  mode: queued
  triggers:
    - {trigger: sequence, sounds: [snap, made, siren], within: 30}
    - {trigger: mqtt, topic: a/+}
    - {trigger: state, entity_id: light.a, for: 2}
    - {trigger: time_pattern, seconds: "/20"}
  conditions: {not: {condition: mqtt, topic: a/b, is: "2"}}
  actions:
    - repeat: {count: 2, sequence: [{action: light.toggle}, {delay: 1.5}]}
"""


def as_bytes(requests: list[ActionRequest]) -> bytes:
    return json.dumps([asdict(request) for request in requests], default=str).encode()


_FACTS = st.one_of(
    st.builds(
        lambda at, profile, late: sound(at, profile=profile, decided_at=at + late),
        st.floats(0, 100),
        st.sampled_from(["siren", "snap"]),
        st.floats(0, 1),
    ),
    st.builds(
        lambda at, lasts, late: sound(at, profile="siren", ended_at=at + lasts, decided_at=at + lasts + late),
        st.floats(0, 100),
        st.floats(0, 9),
        st.floats(0, 1),
    ),
    st.builds(
        lambda at, topic, payload: MqttMessage(topic=topic, payload=payload, at=at),
        st.floats(0, 100),
        st.sampled_from(["a/b", "a/c", "b"]),
        st.sampled_from(["1", "2"]),
    ),
    st.builds(
        lambda at, state: EntityState(entity_id="light.a", state=state, at=at),
        st.floats(0, 100),
        st.sampled_from(["on", "off"]),
    ),
    st.floats(0, 100).map(lambda at: Confirmation(at=at)),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    facts=st.lists(st.tuples(_FACTS, st.floats(0, 2)), max_size=25),
    ticks=st.floats(0.1, 3),
    restart_at=st.integers(0, 30),
)
def test_what_was_recorded_gives_the_same_requests_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory,
    facts: list[tuple[Fact, float]],
    ticks: float,
    restart_at: int,
) -> None:
    """However late facts came, whenever the daemon woke, and over a restart in the middle of anything."""
    path = tmp_path_factory.getbasetemp() / "recorded.yaml"
    path.write_text(RULES)
    rules = load_rules(path)
    digest = rules_digest(rules)
    engine = Engine(rules, clip_url, UTC)
    record: list[Recorded] = [Began(now=0.0, rules=digest, deaf=True)]
    live: list[ActionRequest] = []
    state, now = engine.initial_state(), 0.0

    def step(fact: Fact | None, at: float) -> None:
        nonlocal state
        record.append(Told(now=at, fact=fact))
        state, requests = engine.step(state, fact, at)
        live.extend(requests)

    for number, (fact, lag) in enumerate(sorted(facts, key=lambda pair: time_of(pair[0]))):
        if number == restart_at:
            state = engine.adopt(deafened(engine.restore(json.loads(json.dumps(dump_state(state)))), now))
            record.append(Began(now=now, rules=digest, deaf=True))
        arrives = max(now, time_of(fact) + lag)
        while (wake := engine.next_wake(state)) is not None and wake + ticks < arrives:
            now = max(now, wake + ticks)
            step(None, now)
        now = arrives
        step(load_fact(json.loads(json.dumps(dump_fact(fact)))), now)
    again = list(replay(Engine(rules, clip_url, UTC), record, rules=digest))
    assert as_bytes(again) == as_bytes(live)


def test_other_rules_wake_when_they_would_have(tmp_path: Path) -> None:
    """A rule of the clock that was not there then strikes between what was recorded."""
    path = tmp_path / "rules.yaml"
    path.write_text("- {id: r, trigger: {trigger: time_pattern, minutes: '/10'}, action: {action: light.on}}")
    rules = load_rules(path)
    record: list[Recorded] = [
        Began(now=0.0, rules="others", deaf=True),
        Told(now=1.0, fact=sound(1.0)),
        Told(now=1900.0, fact=None),
    ]
    fired = list(replay(Engine(rules, clip_url, UTC), record, rules=rules_digest(rules), until=2500.0))
    assert [request.due_at for request in fired] == [600, 1200, 1800, 2400]
