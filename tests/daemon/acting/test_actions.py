"""How requests reach their doors."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

from daemon.acting.actions import ActionDispatcher, mqtt_publish_errand, save_clip_door
from daemon.acting.doors import home_assistant_target
from daemon.evidence.clips import clip_path
from daemon.evidence.recorder import EvidenceRecorder
from daemon.evidence.retention import Limits
from daemon.evidence.store import EvidenceStore
from daemon.outbox.expiry import home_assistant_s
from foundation.errors import ActionError, EvidenceUnavailable
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
from rules.model import MQTT_PUBLISH, SAVE_CLIP, ActionRequest
from tests.daemon.sounds import RATE_HZ, block, sound

if TYPE_CHECKING:
    from pathlib import Path


def request(action: str = "test", *, rule_id: str = "r1", **data: Any) -> ActionRequest:
    event = sound(onset_s=1.0)
    return ActionRequest(
        id="1", rule_id=rule_id, action=action, event=event, due_at=event.decided_at, data=data
    )


class Door:
    """Takes requests, or fails as it was told to."""

    def __init__(self) -> None:
        self.taken: list[ActionRequest] = []
        self.fault: Exception | None = None

    def __call__(self, request: ActionRequest) -> None:
        if self.fault is not None:
            raise self.fault
        self.taken.append(request)


def test_requests_go_through_their_doors_in_order() -> None:
    """Each action to its own door, and every outcome is told."""
    first, second = Door(), Door()
    outcomes: list[tuple[ActionRequest, Exception | None]] = []
    dispatcher = ActionDispatcher(
        {"a": first, "b": second}, on_done=lambda request, failure: outcomes.append((request, failure))
    )
    requests = [request("a", number=number) for number in range(3)] + [request("b")]
    dispatcher.submit(requests)
    assert first.taken + second.taken == requests
    assert outcomes == [(done, None) for done in requests]


@pytest.mark.parametrize(
    "fault", [EvidenceUnavailable("the disk is full"), ZeroDivisionError("a fault of ours")]
)
def test_a_door_that_fails_stops_no_other_and_is_logged_once(
    fault: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """One line when it begins to fail, with the rule and the reason; one when it works again."""
    caplog.set_level(logging.INFO, logger="daemon.acting.actions")
    bad, good = Door(), Door()
    bad.fault = fault
    outcomes: list[Exception | None] = []
    dispatcher = ActionDispatcher(
        {"bad": bad, "good": good}, on_done=lambda _, failure: outcomes.append(failure)
    )
    for _ in range(3):
        dispatcher.submit([request("bad", rule_id="glass_alarm"), request("good")])
    assert outcomes == [fault, None] * 3
    assert len(good.taken) == 3
    assert dispatcher.failing == {("glass_alarm", "bad")}
    bad.fault = None
    dispatcher.submit([request("bad", rule_id="glass_alarm")])
    assert not dispatcher.failing
    lines = [record.message for record in caplog.records]
    assert len(lines) == 2
    assert "glass_alarm" in lines[0]
    assert str(fault) in lines[0]
    assert "works again" in lines[1]


def test_an_action_without_a_door_is_named_with_those_that_have_one(caplog: pytest.LogCaptureFixture) -> None:
    """Without a broker in the configuration, publishing says so."""
    ActionDispatcher({"heard.save_clip": Door()}).submit([request("mqtt.publish")])
    assert "no way to 'mqtt.publish': the configuration has no 'mqtt'" in caplog.text
    ActionDispatcher({"": Door()}).submit([request("command.run")])
    assert "allows no programs" in caplog.text


async def test_save_clip_asks_the_recorder(tmp_path: Path) -> None:
    """The rule stands in the clip's sidecar."""
    store = EvidenceStore(tmp_path, limits=Limits(keep_days=1e6), heard_version="0")
    async with EvidenceRecorder(store, before_s=1.0, after_s=1.0, encoder_id="e") as recorder:
        recorder.open("kitchen", rate_hz=RATE_HZ, channels=1)
        recorder.accept("kitchen", block(0, 3 * RATE_HZ))
        save_clip_door(recorder)(request(SAVE_CLIP, rule_id="glass_alarm"))
    assert json.loads(clip_path(tmp_path, sound(onset_s=1.0)).with_suffix(".json").read_bytes())["rules"] == [
        "glass_alarm"
    ]


async def test_publish_is_over_when_the_broker_has_the_message() -> None:
    """A message waits for the broker; one that nobody could receive is refused with the reason."""
    link = MqttLink(Broker(host="localhost"), available="heard/hub/available")
    publish = mqtt_publish_errand(link).do
    waiting = asyncio.ensure_future(publish(request(MQTT_PUBLISH, topic="home/glass", payload="ON")))
    await asyncio.sleep(0)
    assert link.waiting_messages == 1
    for wrong in (
        {"topic": "home/#"},
        {"topic": ""},
        {"topic": "home", "qos": 3},
        {"topic": "x", "payload": {1}},
    ):
        with pytest.raises(ActionError):
            await publish(request(MQTT_PUBLISH, **wrong))
    assert link.waiting_messages == 1
    waiting.cancel()
    await asyncio.wait({waiting})
    assert link.waiting_messages == 0


@pytest.mark.parametrize(
    ("action", "expires_s"),
    [
        ("light.turn_on", 10),
        ("media_player.play_media", 10),
        ("climate.set_temperature", 60),
        ("notify.me", 86_400),
    ],
)
def test_what_surprises_when_it_comes_late_expires_soon(action: str, expires_s: float) -> None:
    """And what tells somebody something is kept for a day."""
    assert home_assistant_s(request(action)) == expires_s


def test_the_order_is_kept_for_each_thing_in_the_home() -> None:
    """One lamp that does not answer holds up no other; what names nothing is known by its action."""
    targets = [
        home_assistant_target(request(action, target=target))
        for action, target in (
            ("light.turn_on", {"entity_id": "light.desk"}),
            ("light.turn_off", {"entity_id": "light.desk"}),
            ("light.turn_on", {"entity_id": ["light.a", "light.b"], "area_id": "hall"}),
            ("notify.phone", None),
        )
    ]
    assert targets == ["light.desk", "light.desk", "hall light.a, light.b", "notify.phone"]
