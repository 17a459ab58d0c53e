"""The switches through a real broker: obeyed, refused, and always said as they are."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from daemon.mqtt_switches import MqttSwitches
from daemon.parts import load_rule_set
from daemon.switches import FILE_NAME, Switches
from integrations.topics import Topics
from tests.daemon.home import configuration, parts
from tests.integrations.test_mqtt import link_to, listening, retained, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from benchmarks.broker import Mosquitto
    from integrations.mqtt import MqttLink

TOPICS = Topics(prefix="heard", node="hub")
STREAM = "Küche/厨房 1"
RULE = """
- id: nacht & nebel
  triggers: [{trigger: sound, profile: whistle}]
  actions: [{action: notify.phone}]
"""


def switches(path: Path) -> Switches:
    config = configuration(path, {STREAM: {"source": "microphone"}})
    (path / "rules.yaml").write_text(RULE)
    known = Switches(path / FILE_NAME, streams=config.streams)
    known.rules_are(load_rule_set(config, parts().profiles, path / "rules.yaml"))
    known.profiles_are(parts().profiles)
    return known


@asynccontextmanager
async def switched(broker: Mosquitto, known: Switches) -> AsyncIterator[tuple[MqttLink, aiomqtt.Client]]:
    async with link_to(broker) as link, aiomqtt.Client(broker.host, broker.port) as other:
        MqttSwitches(link, TOPICS, known)
        await until(lambda: link.connected)
        yield link, other


async def test_what_is_set_over_mqtt_holds_and_is_said(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Stream, rule and threshold, under names of all kinds; `default` gives the profile its own again."""
    known = switches(tmp_path)
    calibrated = known.threshold("whistle")
    async with switched(mosquitto, known) as (_, other), listening(mosquitto) as listener:
        await listener.until_payload(TOPICS.listen_state(STREAM), "ON")
        await listener.until_payload(TOPICS.rule_state("nacht & nebel"), "ON")
        await listener.until_payload(TOPICS.threshold_state("whistle"), f"{calibrated:.6g}")
        await other.publish(TOPICS.listen_set(STREAM), "OFF")
        await other.publish(TOPICS.rule_set("nacht & nebel"), "OFF")
        await other.publish(TOPICS.threshold_set("whistle"), "0.625")
        await listener.until_payload(TOPICS.listen_state(STREAM), "OFF")
        await listener.until_payload(TOPICS.rule_state("nacht & nebel"), "OFF")
        await listener.until_payload(TOPICS.threshold_state("whistle"), "0.625")
        assert (known.listening(STREAM), known.rule_enabled("nacht & nebel")) == (False, False)
        assert known.threshold("whistle") == 0.625
        await other.publish(TOPICS.threshold_set("whistle"), "default")
        await until(lambda: known.threshold("whistle") == calibrated)


@pytest.mark.parametrize(
    ("topic", "payload", "said"),
    [
        (TOPICS.listen_set(STREAM), "off", "expected ON or OFF"),
        (TOPICS.rule_set("nacht & nebel"), "", "expected ON or OFF"),
        (TOPICS.threshold_set("whistle"), "loud", "expected a number between 0 and 1, or 'default'"),
        (TOPICS.threshold_set("whistle"), "nan", "between 0 and 1"),
        (TOPICS.threshold_set("whistle"), b"\xff\xfe" * 90_000, "expected a number"),
        (TOPICS.listen_set("garage"), "OFF", "nothing of this name"),
    ],
)
async def test_what_cannot_be_obeyed_is_refused(
    mosquitto: Mosquitto,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    topic: str,
    payload: str | bytes,
    said: str,
) -> None:
    """One short line in the log, and the state once more, for whoever shows already what it asked for."""
    known = switches(tmp_path)
    state = topic.removesuffix("set") + "state"
    async with switched(mosquitto, known) as (link, other), listening(mosquitto) as listener:
        known_state = TOPICS.listen_state(STREAM) if "garage" in topic else state
        await listener.until(lambda _: bool(listener.payloads(known_state)))
        await other.publish(topic, payload, qos=1)
        await until(lambda: said in caplog.text)
        if "garage" not in topic:
            await listener.until(lambda _: len(listener.payloads(state)) == 2)
        assert link.connected
    [line] = [message for message in caplog.messages if "refused" in message]
    assert len(line) < 400
    assert not (tmp_path / FILE_NAME).exists()


async def test_an_old_command_does_not_act(
    mosquitto: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What somebody has left retained on a set topic is ignored, and said to be."""
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as other:
        await other.publish(TOPICS.listen_set(STREAM), "OFF", qos=1, retain=True)
    known = switches(tmp_path)
    async with switched(mosquitto, known):
        await until(lambda: "is an old command" in caplog.text)
    assert known.listening(STREAM)


async def test_a_rule_that_is_gone_leaves_no_topic(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Its retained state is taken away; those of others stay."""
    known = switches(tmp_path)
    async with switched(mosquitto, known) as (link, _):
        assert TOPICS.rule_state("nacht & nebel") in await retained(mosquitto)
        known.rules_are([])
        link.publish("x", "y")
        await until(lambda: link.waiting_messages == 0)
        left = await retained(mosquitto)
    assert TOPICS.rule_state("nacht & nebel") not in left
    assert TOPICS.listen_state(STREAM) in left
