"""What a broker refuses, hangs up at or forgets, and that its owner is told."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from benchmarks.broker import Mosquitto
from foundation.errors import ActionError, BrokerUnavailable
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
from tests.integrations.mqtt_security.brokers import (
    AVAILABLE,
    PASSWORD,
    link_to,
    nobody_subscribes,
    until_problem,
    with_password,
    works,
)
from tests.integrations.test_mqtt import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from foundation.errors import HeardError
    from integrations.mqtt_broker import Protocol


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_wrong_password_is_said(
    brokers: Callable[..., Mosquitto], tmp_path: Path, protocol: Protocol
) -> None:
    """With the right one the link works; the wrong one, or none, is named as the cause."""
    broker = brokers(*with_password(tmp_path))
    async with link_to(broker, protocol=protocol, username="heard", password=PASSWORD) as link:
        assert await works(link)
    for signs_in_as in ({}, {"username": "heard", "password": "wrong"}):
        async with link_to(broker, protocol=protocol, **signs_in_as) as link:
            await until_problem(link, "mqtt.username")


async def test_what_an_acl_denies_is_shown(
    brokers: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """MQTT 5: status and log name the topic, whoever waits is told, and everything else goes on."""
    broker = brokers(*with_password(tmp_path))
    async with link_to(broker, protocol="5", username="heard", password=PASSWORD) as link:
        link.set_state("home/state", "ON")
        link.publish("home/message", "x")
        link.publish("home/message", "x")
        assert not await works(link)
        assert link.problem == "the broker refuses home/state: Not authorized (and 1 more)"
        with pytest.raises(ActionError, match="does not let us publish to home/alarm: Not authorized"):
            await link.deliver("home/alarm", "x")
        assert link.connections == 1
    lines = [line for line in caplog.messages if "does not let us publish" in line]
    assert len(lines) == 3


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_message_that_a_broker_hangs_up_at_does_not_keep_others_waiting(
    brokers: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture, protocol: Protocol
) -> None:
    """A message or a state that is too long is given up after a few tries; a shorter one is said."""
    broker = brokers("max_packet_size 2000")
    async with link_to(broker, protocol=protocol) as link:
        link.publish("heard/hub/long", "x" * 5_000)
        with pytest.raises(ActionError, match="heard/hub/long: it hung up 5 times"):
            await link.deliver("heard/hub/long", "x" * 5_000)
        link.set_state("heard/hub/picture", "x" * 5_000)
        await link.deliver("heard/hub/short", "x")
        await until_problem(link, "heard/hub/picture: it hung up 5 times")
        link.set_state("heard/hub/picture", "x")
        link.publish("heard/hub/long", "now short")
        await until(lambda: link.problem == "")
        assert link.waiting_messages == 0
    assert len([line for line in caplog.messages if "it hung up" in line]) == 2
    hung_up = "it closed the connection: Packet too large" if protocol == "5" else "it closed the connection)"
    assert hung_up in caplog.text


@pytest.mark.parametrize(("protocol", "reason"), [("3.1.1", "Unspecified error"), ("5", "Not authorized")])
async def test_what_may_not_be_heard_is_shown(
    brokers: Callable[..., Mosquitto], tmp_path: Path, protocol: Protocol, reason: str
) -> None:
    """A denied subscription is named in either version; the rest works, and it is gone with its filter."""
    broker = brokers(*nobody_subscribes(tmp_path))
    async with link_to(broker, protocol=protocol) as link:
        link.watch(["home/alarm"], lambda _: None)
        await until_problem(link, f"the broker refuses home/alarm: {reason}")
        await link.deliver("heard/hub/x", "y")
        link.watch([], lambda _: None)
        await until(lambda: link.problem == "")


async def test_a_day_old_event_is_forgotten(brokers: Callable[..., Mosquitto]) -> None:
    """MQTT 5: a broker is told how long a message is of use; what waited longer here is not sent at all."""
    broker = brokers()
    broker.stop()
    async with link_to(broker, protocol="5") as link:
        link.publish("heard/hub/old", "x", expires_s=0.0)
        link.publish("heard/hub/new", "x", expires_s=600.0, retain=True)
        broker.start()
        await until(lambda: link.connected and link.waiting_messages == 0)
        assert link.dropped_messages == 1
        async with aiomqtt.Client(broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V5) as other:
            await other.subscribe("heard/hub/+")
            async for message in other.messages:
                if message.topic.value == "heard/hub/new":
                    break
                assert message.topic.value != "heard/hub/old"
    assert 590 < message.properties.MessageExpiryInterval <= 600  # type: ignore[union-attr] # it has some


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        (0x97, BrokerUnavailable, "home/alarm: Quota exceeded"),
        (0x83, BrokerUnavailable, "home/alarm: Implementation specific error"),
        (0x87, ActionError, "home/alarm: Not authorized"),
        (0x90, ActionError, "home/alarm: Topic name invalid"),
    ],
)
async def test_what_is_refused_for_now_may_be_tried_again(
    code: int, error: type[HeardError], said: str
) -> None:
    """MQTT 5: an outbox keeps what a full broker, which mosquitto cannot be, does not take."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                kind, length = await reader.readexactly(2)
                packet = await reader.readexactly(length)
                match kind >> 4:
                    case 1:  # CONNECT; CONNACK is the answer
                        writer.write(b"\x20\x03\x00\x00\x00")
                    case 3:  # PUBLISH, whose id follows the topic; PUBACK
                        after_topic = 2 + int.from_bytes(packet[:2])
                        verdict = code if packet[2:after_topic] == b"home/alarm" else 0
                        writer.write(b"\x40\x03" + packet[after_topic : after_topic + 2] + bytes([verdict]))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        async with MqttLink(Broker(host=host, port=port, protocol="5"), available=AVAILABLE) as link:
            with pytest.raises(error, match=said):
                await link.deliver("home/alarm", "x")
            await link.deliver("home/else", "x")
            assert link.connections == 1
