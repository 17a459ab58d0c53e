"""What actions ask for, worked out; and sounds that rules make of others."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from foundation.errors import RuleError
from rules.engine import Engine
from rules.facts import MqttMessage
from rules.firing import MAX_DERIVED
from rules.loader import load_rules
from tests.rules.driving import HEAD, drive
from tests.rules.sounds import clip_url, sound

if TYPE_CHECKING:
    from pathlib import Path

    from rules.facts import Fact
    from rules.model import ActionRequest

MESSAGE = MqttMessage(topic="a", payload="x", at=0.0)


def asked(folder: Path, text: str, fact: Fact | None = None) -> list[ActionRequest]:
    """Return what one rule file asks for because of one fact."""
    path = folder / "rules.yaml"
    path.write_text(text)
    engine = Engine(load_rules(path), clip_url, UTC)
    fact = sound(1.0) if fact is None else fact
    return list(engine.step(engine.initial_state(), fact, 1.0)[1])


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("{action: heard.describe}", {"question": ""}),
        (
            "{action: heard.describe, data: {question: 'Who is in the {{ trigger.stream }}?'}}",
            {"question": "Who is in the desk?"},
        ),
        (
            "{action: light.turn_on, target: {entity_id: [light.a]}, data: {brightness: '{{ 9 * 3 }}'}}",
            {"target": {"entity_id": ["light.a"]}, "data": {"brightness": 27}},
        ),
        ("{action: script.turn_off}", {"target": None, "data": None}),
        (
            "{action: command.run, data: {command: [/bin/say, '{{ trigger.profile }}'], timeout: 3}}",
            {"command": ["/bin/say", "finger_snap"], "timeout_s": 3.0},
        ),
        (
            "{action: webhook.post, data: {url: 'http://h/{{ rule.id }}', payload: {n: 1}, headers: {A: 7}}}",
            {
                "url": "http://h/r",
                "method": "POST",
                "headers": {"A": "7"},
                "body": '{"n": 1}',
                "content_type": "application/json",
            },
        ),
        (
            "{action: webhook.post, data: {url: 'http://h', payload: hello, method: PUT}}",
            {
                "url": "http://h",
                "method": "PUT",
                "headers": {},
                "body": "hello",
                "content_type": "text/plain; charset=utf-8",
            },
        ),
        (
            "{action: heard.emit, data: {event: made, stream: 'far {{ trigger.stream }}', score: 0.5}}",
            {"event": "made", "stream": "far desk", "score": 0.5},
        ),
    ],
)
def test_an_action_is_worked_out_in_full(tmp_path: Path, action: str, data: dict[str, Any]) -> None:
    """Texts rendered, numbers kept."""
    (request,) = asked(tmp_path, f"{HEAD}  actions: {action}\n")
    assert f"action: {request.action}" in action
    assert request.data == data


@pytest.mark.parametrize(
    ("action", "expires_s"),
    [
        ("{action: light.turn_on, expires: 5}", 5.0),
        ("{action: mqtt.publish, expires: '00:10:00', data: {topic: a}}", 600.0),
        ("{action: webhook.post, expires: {minutes: 2}, data: {url: 'http://h'}}", 120.0),
        ("{action: command.run, expires: 1, data: {command: [/bin/true]}}", 1.0),
        ("{action: light.turn_on}", None),
        ("{action: heard.save_clip}", None),
    ],
)
def test_a_rule_says_how_long_an_action_is_worth_delivering(
    tmp_path: Path, action: str, expires_s: float | None
) -> None:
    """Where it says nothing, the door decides."""
    (request,) = asked(tmp_path, f"{HEAD}  actions: {action}\n")
    assert request.expires_s == expires_s


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("{action: light.turn_on, expires: 0}", "found no time at all"),
        ("{action: light.turn_on, expires: soon}", "expected a duration"),
        ("{action: heard.save_clip, expires: 5}", "heard.save_clip is done at once or never"),
        ("{action: mqtt.publish, data: {topic: a, expires: 5}}", "expires"),
    ],
)
def test_a_lifetime_that_makes_no_sense_is_refused(tmp_path: Path, action: str, why: str) -> None:
    """With what was expected."""
    with pytest.raises(RuleError, match=why):
        asked(tmp_path, f"{HEAD}  actions: {action}\n")


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ("{action: heard.describe}", "no sound made the rule fire"),
        ("{action: heard.save_clip}", "no sound made the rule fire"),
        ("{action: heard.emit, data: {event: made}}", "say on which 'stream'"),
        (
            "{action: heard.emit, data: {event: made, stream: a, score: '{{ 3 * 3 }}'}}",
            "from 0 to 1, found '9'",
        ),
        ("{action: heard.emit, data: {event: made, stream: a, score: loud}}", "from 0 to 1, found 'loud'"),
        ("{action: heard.emit, data: {event: made, stream: ' {{ trigger.id }}'}}", ""),
    ],
)
def test_what_cannot_be_worked_out_is_told(tmp_path: Path, action: str, why: str) -> None:
    """A message brings no sound with it."""
    text = f"- id: r\n  triggers: {{trigger: mqtt, topic: a}}\n  actions: {action}\n"
    (request,) = asked(tmp_path, text, MESSAGE)
    assert (request.action == "heard.log") is bool(why)
    assert why in str(request.data)


MADE = """\
- id: makes
  triggers: {trigger: sound, profile: finger_snap}
  actions:
    - {action: heard.emit, data: {event: twice_made}}
- id: hears
  triggers: {trigger: sound, profile: twice_made, above: 0.8}
  actions: {action: mqtt.publish, data: {topic: t, payload: '{{ trigger.profile }} {{ trigger.started }}'}}
- id: ends
  triggers: {trigger: silence, profile: twice_made, for: 5}
  actions: {action: mqtt.publish, data: {topic: t, payload: silent}}
"""


@pytest.mark.parametrize("restart", [False, True])
def test_rules_hear_the_sounds_that_rules_make(tmp_path: Path, *, restart: bool) -> None:
    """On the same stream and with the same score, at once; it began when the sound did, and is over."""
    told = drive(tmp_path, MADE, sound(0, decided_at=1, score=0.9), 20.0, restart=restart)
    assert told == [
        (1, "heard.emit"),
        (1, "twice_made 1970-01-01T00:00:00.000+00:00"),
        (6, "silent"),
    ]
    assert drive(tmp_path, MADE, sound(0, score=0.7)) == [(0, "heard.emit")]


def test_rules_that_go_round_in_a_circle_are_stopped(tmp_path: Path) -> None:
    """With a word in the log; a circle with a delay in it is a clock, and may be."""
    circle = (
        "- id: a\n  triggers: {trigger: sound, profile: [finger_snap, made]}\n"
        "  actions: {action: heard.emit, data: {event: made}}\n"
    )
    requests = asked(tmp_path, circle)
    assert [request.action for request in requests].count("heard.emit") == MAX_DERIVED
    assert "were stopped after 100 sounds" in str(requests[-1].data)
    slow = circle.replace("actions: {", "actions:\n    - delay: 1\n    - {")
    assert len(drive(tmp_path, slow, sound(0), 5.0)) == 5


def test_requests_of_two_messages_have_ids_of_their_own(tmp_path: Path) -> None:
    """Even at the same moment; the same message again has the same."""
    text = "- id: r\n  triggers: {trigger: mqtt, topic: '#'}\n  actions: {action: light.on}\n"
    first, second, again = (
        asked(tmp_path, text, MqttMessage(topic="a", payload=payload, at=0.0))[0].id for payload in "xyx"
    )
    assert first == again != second
