"""The link and the announcer against a real broker that leaves, returns and is killed."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiomqtt
import pytest

from detectors.types import Phase
from foundation.errors import ActionError, OwnerError
from integrations import mqtt, mqtt_outgoing
from integrations.announcer import Announcer
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker, client_id
from integrations.topics import Topics
from tests.integrations.test_topics import sound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from benchmarks.broker import Mosquitto

TOPICS = Topics(prefix="heard", node="hub")
PATIENCE_S = 15.0


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_MAX_S", 0.1)


def link_to(broker: Mosquitto) -> MqttLink:
    return MqttLink(Broker(host=broker.host, port=broker.port), available=TOPICS.available)


class Listener:
    """Hears everything that goes through the broker."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, bool]] = []
        self.arrived = asyncio.Event()

    async def until(self, found: Callable[[list[tuple[str, str, bool]]], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not found(self.messages):
                self.arrived.clear()
                await self.arrived.wait()

    async def until_payload(self, topic: str, payload: str) -> None:
        await self.until(lambda messages: any(message[:2] == (topic, payload) for message in messages))

    def payloads(self, topic: str) -> list[str]:
        return [payload for heard, payload, _ in self.messages if heard == topic]


@asynccontextmanager
async def listening(broker: Mosquitto) -> AsyncIterator[Listener]:
    listener = Listener()

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            listener.messages.append(
                (str(message.topic), message.payload.decode(errors="replace"), bool(message.retain))
            )
            listener.arrived.set()

    async with aiomqtt.Client(broker.host, broker.port) as client:
        await client.subscribe("#", qos=1)
        task = asyncio.create_task(listen(client))
        yield listener
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the link has no event for tests to wait on
            await asyncio.sleep(0.01)


async def retained(broker: Mosquitto) -> dict[str, str]:
    """Return what a newcomer is told."""
    async with listening(broker) as listener:
        async with aiomqtt.Client(broker.host, broker.port) as client:
            await client.publish("end/of/retained", "x", qos=1)
        await listener.until_payload("end/of/retained", "x")
        return {topic: payload for topic, payload, was_retained in listener.messages if was_retained}


async def test_a_clean_stop_says_stopped_and_leaves_nothing_on(mosquitto: Mosquitto) -> None:
    """States are OFF from the start, ON while a sound goes on, and OFF again when the daemon has gone."""
    async with listening(mosquitto) as listener:
        async with link_to(mosquitto) as link:
            announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["siren", "glass breaking"])
            await listener.until_payload(TOPICS.available, "online")
            announcer.status("kitchen", online=True)
            announcer.health("kitchen", "ok")
            announcer.event(sound())
            await listener.until_payload(TOPICS.state("kitchen", "glass breaking"), "ON")
        await listener.until_payload(TOPICS.available, "stopped")
    assert await retained(mosquitto) == {
        TOPICS.available: "stopped",
        TOPICS.status("kitchen"): "offline",
        TOPICS.health("kitchen"): "ok",
        TOPICS.state("kitchen", "siren"): "OFF",
        TOPICS.state("kitchen", "glass breaking"): "OFF",
    }


async def test_events_are_never_retained(mosquitto: Mosquitto) -> None:
    """Who subscribes later learns states, not what happened before; both phases arrive as JSON."""
    async with listening(mosquitto) as listener, link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["glass breaking"])
        announcer.event(sound(), clip_url="http://hub/1.flac")
        announcer.event(sound(phase=Phase.ENDED, end_s=11.0))
        topic = TOPICS.event("kitchen")
        await listener.until(lambda _: len(listener.payloads(topic)) == 2)
        started, ended = (json.loads(payload) for payload in listener.payloads(topic))
        assert (started["phase"], started["clip"], ended["phase"]) == (
            "started",
            "http://hub/1.flac",
            "ended",
        )
        assert not any(was_retained for heard, _, was_retained in listener.messages if heard == topic)
        assert topic not in await retained(mosquitto)
        assert (await retained(mosquitto))[TOPICS.state("kitchen", "glass breaking")] == "OFF"


async def test_a_state_is_on_until_the_last_sound_has_ended(mosquitto: Mosquitto) -> None:
    """Of two overlapping sounds the end of the first does not switch the state off."""
    async with link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["glass breaking"])
        announcer.event(sound(id="1"))
        announcer.event(sound(id="2"))
        announcer.event(sound(id="1", phase=Phase.ENDED, end_s=11.0))
        await until(lambda: link.connected and link.waiting_messages == 0)
        assert (await retained(mosquitto))[TOPICS.state("kitchen", "glass breaking")] == "ON"


async def test_a_sound_that_outlasts_its_profile_leaves_no_state_behind(mosquitto: Mosquitto) -> None:
    """Its end is still told; what was taken away stays away, until the profile is there again."""
    async with listening(mosquitto) as listener, link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["glass breaking"])
        state = TOPICS.state("kitchen", "glass breaking")
        announcer.event(sound())
        await listener.until_payload(state, "ON")
        announcer.listens_for([])
        announcer.event(sound(phase=Phase.ENDED, end_s=11.0))
        await listener.until(lambda _: len(listener.payloads(TOPICS.event("kitchen"))) == 2)
        await until(lambda: link.waiting_messages == 0)
        assert state not in await retained(mosquitto)
        announcer.listens_for(["glass breaking"])
        await listener.until_payload(state, "OFF")


async def test_levels_are_rate_limited(mosquitto: Mosquitto) -> None:
    """A hundred levels in three seconds become four messages."""
    async with listening(mosquitto) as listener, link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=[])
        await until(lambda: link.connected)
        for step in range(100):
            announcer.level("kitchen", level_dbfs=-30.0, noise_floor_dbfs=-60.0, now_s=step * 0.031)
        link.publish("home/end", "x")
        await listener.until_payload("home/end", "x")
        assert [json.loads(payload) for payload in listener.payloads(TOPICS.level("kitchen"))] == [
            {"dbfs": -30.0, "floor": -60.0}
        ] * 4


async def test_counters_are_kept_while_the_node_runs(mosquitto: Mosquitto) -> None:
    """Whoever comes later need not wait for a minute; where nothing runs, nothing counts."""
    async with link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=[], profiles=[])
        announcer.stats({"events": 3})
        await until(lambda: link.connected)
        link.publish("home/end", "x")
        await until(lambda: link.waiting_messages == 0)
        assert json.loads((await retained(mosquitto))[TOPICS.stats]) == {"events": 3}
    assert TOPICS.stats not in await retained(mosquitto)


async def test_after_a_broker_restart_every_state_is_told_again(
    mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """A broker that forgot everything is told everything; a line in the log for each reason of being down."""
    caplog.set_level(logging.INFO, logger="integrations.mqtt")
    async with link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["siren"])
        announcer.status("kitchen", online=True)
        await until(lambda: link.connected)
        mosquitto.kill()
        await until(lambda: not link.connected)
        await asyncio.sleep(0.5)
        mosquitto.start()
        await until(lambda: link.connected)
        told = await retained(mosquitto)
    assert told[TOPICS.available] == "online"
    assert told[TOPICS.status("kitchen")] == "online"
    assert told[TOPICS.state("kitchen", "siren")] == "OFF"
    lines = [record.message for record in caplog.records if record.name == "integrations.mqtt"]
    assert [line.split()[0] for line in (lines[0], lines[-1])] == ["connected", "connected"]
    assert {line.split()[0] for line in lines[1:-1]} == {"no"}
    assert len(set(lines[1:])) == len(lines[1:])


async def test_messages_wait_for_a_broker_that_is_away(mosquitto: Mosquitto) -> None:
    """Events that happen meanwhile arrive in order; of a state only the last value; levels are not kept."""
    mosquitto.stop()
    async with link_to(mosquitto) as link:
        announcer = Announcer(link, TOPICS, streams=["kitchen"], profiles=["glass breaking"])
        for number in range(20):
            announcer.event(sound(id=str(number)))
            announcer.event(sound(id=str(number), phase=Phase.ENDED, end_s=11.0))
        announcer.level("kitchen", level_dbfs=-30.0, noise_floor_dbfs=-60.0, now_s=0.0)
        assert not link.connected
        assert link.waiting_messages == 40
        mosquitto.start()
        async with listening(mosquitto) as listener:
            topic = TOPICS.event("kitchen")
            await listener.until(lambda _: len(listener.payloads(topic)) == 40)
        assert [json.loads(payload)["id"] for payload in listener.payloads(topic)[::2]] == [
            str(number) for number in range(20)
        ]
        assert "ON" not in listener.payloads(TOPICS.state("kitchen", "glass breaking"))
        assert not listener.payloads(TOPICS.level("kitchen"))


async def test_the_oldest_messages_go_when_too_many_wait(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The queue is bounded, and what it lost is counted; what was never delivered is said at the stop."""
    mosquitto.stop()
    monkeypatch.setattr(mqtt_outgoing, "MAX_WAITING", 5)
    async with link_to(mosquitto) as link:
        for number in range(8):
            link.publish("x", str(number))
        assert (link.waiting_messages, link.dropped_messages) == (5, 3)
    assert "5 MQTT messages that were never delivered" in caplog.text


async def test_a_delivery_is_over_when_the_broker_has_it(
    mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for one is not dropped for others; one that is given up is not sent any more."""
    mosquitto.stop()
    monkeypatch.setattr(mqtt_outgoing, "MAX_WAITING", 3)
    async with link_to(mosquitto) as link:
        waiting = asyncio.create_task(link.deliver("a", "kept", retain=True))
        given_up = asyncio.create_task(link.deliver("a", "given up", retain=True))
        await asyncio.sleep(0)
        for number in range(4):
            link.publish("b", str(number))
        assert (link.waiting_messages, link.dropped_messages) == (3, 3)
        given_up.cancel()
        await asyncio.wait({given_up})
        assert not waiting.done()
        mosquitto.start()
        async with asyncio.timeout(PATIENCE_S):
            await waiting
        await until(lambda: link.waiting_messages == 0)
        assert (await retained(mosquitto))["a"] == "kept"
    with pytest.raises(ActionError, match="subscribers"):
        await link.deliver("home/#", "x")


async def test_a_killed_daemon_is_announced_by_its_last_will(mosquitto: Mosquitto) -> None:
    """A `kill -9` leaves `offline` with the broker."""
    program = f"""
import asyncio
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
async def main():
    broker = Broker(host={mosquitto.host!r}, port={mosquitto.port})
    async with MqttLink(broker, available="heard/hub/available"):
        await asyncio.sleep(60)
asyncio.run(main())
"""
    async with listening(mosquitto) as listener:
        root = Path(mqtt.__file__).parents[1]
        daemon = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=root)
        await listener.until_payload("heard/hub/available", "online")
        daemon.send_signal(signal.SIGKILL)
        await daemon.wait()
        await listener.until_payload("heard/hub/available", "offline")


async def test_a_second_connection_of_the_same_node_does_not_end_as_offline(mosquitto: Mosquitto) -> None:
    """A connection that replaces a half-dead one has the last word on availability."""
    name = client_id(TOPICS.available)
    half_dead = aiomqtt.Client(
        mosquitto.host,
        mosquitto.port,
        identifier=name,
        will=aiomqtt.Will(TOPICS.available, "offline", qos=1, retain=True),
    )
    await half_dead.__aenter__()
    async with link_to(mosquitto) as link:
        await until(lambda: link.connected)
        assert (await retained(mosquitto))[TOPICS.available] == "online"
    with pytest.raises(aiomqtt.MqttError):
        async for _ in half_dead.messages:
            pass


async def test_a_fault_in_the_daemon_does_not_leave_it_online(mosquitto: Mosquitto) -> None:
    """Leaving by an exception says stopped as well, and lets the exception through."""

    async def fail() -> None:
        async with link_to(mosquitto) as link:
            await until(lambda: link.connected)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert (await retained(mosquitto))[TOPICS.available] == "stopped"


async def test_nothing_waits_for_a_broker_that_is_not_there(mosquitto: Mosquitto) -> None:
    """Starting, speaking and stopping take no time without a broker."""
    mosquitto.stop()
    async with asyncio.timeout(5.0):
        async with link_to(mosquitto) as link:
            link.set_state("a", "b")
            link.publish("x", "y", fleeting=True)
            assert link.waiting_messages == 0


async def test_what_cannot_be_published_is_refused_at_once(mosquitto: Mosquitto) -> None:
    """Wildcards, an unknown quality of service, broken text and an impossible host are the owner's errors."""
    link = link_to(mosquitto)
    with pytest.raises(ActionError, match="subscribers"):
        link.publish("home/#", "x")
    with pytest.raises(ActionError, match="quality of service"):
        link.publish("home", "x", qos=7)
    with pytest.raises(ActionError, match="Unicode"):
        link.publish("home", "\ud800")
    with pytest.raises(OwnerError, match="host name"):
        MqttLink(Broker(host="hub..local"), available="a")


def test_a_password_stays_out_of_logs() -> None:
    """Printing the settings does not show it."""
    assert "secret" not in repr(Broker(host="hub", password="secret"))
