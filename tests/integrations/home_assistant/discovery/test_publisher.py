"""What the broker is told and keeps, on a real one: in the right order, and nothing that nobody needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.broker import Mosquitto
from integrations.home_assistant.birth import HomeAssistantBirth
from integrations.home_assistant.discovery.devices import devices_of
from integrations.home_assistant.discovery.dialects import Dialect, told_by_topic
from integrations.home_assistant.discovery.house import House, Sound, retained_states
from integrations.home_assistant.discovery.memory import Memory
from integrations.home_assistant.discovery.publisher import DiscoveryPublisher
from integrations.mqtt import MqttLink
from tests.integrations.home_assistant.discovery.houses import INSTALLATION, SOUNDS, house
from tests.integrations.test_mqtt import link_to, listening, retained

DEVICE = f"homeassistant/device/heard_{INSTALLATION}_kitchen/config"
BABY = f"homeassistant/binary_sensor/heard_{INSTALLATION}_kitchen/profile_baby_crying/config"

WITHOUT_BABY = house(sounds=tuple(sound for sound in SOUNDS if sound.name != "baby_crying"))


class Node:
    """A publisher at work, and the states that its node would keep."""

    def __init__(self, link: MqttLink, publisher: DiscoveryPublisher) -> None:
        self.link = link
        self.publisher = publisher

    def show(self, of: House, dialect: Dialect | None) -> None:
        told = (
            {}
            if dialect is None
            else told_by_topic(devices_of(of), dialect=dialect, prefix="homeassistant", sw_version="0.1.0")
        )
        self.publisher.show(told, states=retained_states(of))
        for topic in sorted(retained_states(of) - {of.topics.available}):
            self.link.set_state(topic, "ON")


@asynccontextmanager
async def node(broker: Mosquitto, folder: Path) -> AsyncIterator[Node]:
    """Run a publisher that remembers in `folder`."""
    async with link_to(broker) as link:
        publisher = DiscoveryPublisher(link, Memory(folder / "memory.json"))
        task = asyncio.create_task(publisher.run())
        try:
            yield Node(link, publisher)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def kept(broker: Mosquitto, of: House, dialect: Dialect | None) -> dict[str, str]:
    """Return what the broker keeps, once it is what it should keep for this node."""
    told = (
        {}
        if dialect is None
        else told_by_topic(devices_of(of), dialect=dialect, prefix="homeassistant", sw_version="0.1.0")
    )
    there: dict[str, str] = {}
    for _ in range(100):
        there = await retained(broker)
        configs = {topic: text for topic, text in there.items() if topic.startswith("homeassistant/")}
        right = {topic: dict(each.payload) for topic, each in told.items()}
        if {topic: json.loads(text) for topic, text in configs.items()} == right and (
            there.keys() - configs == retained_states(of)
        ):
            return there
        await asyncio.sleep(0.02)
    pytest.fail(f"the broker keeps {sorted(there)}")


@pytest.mark.parametrize("dialect", ["single", "device"])
async def test_a_profile_is_told_of_before_it_is_heard(
    tmp_path: Path, mosquitto: Mosquitto, dialect: Dialect
) -> None:
    """The event that follows at once comes after what says that there may be such an event."""
    of = house()
    async with listening(mosquitto) as listener, node(mosquitto, tmp_path) as speaker:
        speaker.show(WITHOUT_BABY, dialect)
        await kept(mosquitto, WITHOUT_BABY, dialect)
        speaker.show(of, dialect)
        speaker.link.publish(of.topics.event("kitchen"), "a baby cries")
        await listener.until_payload(of.topics.event("kitchen"), "a baby cries")
        before = [topic for topic, payload, _ in listener.messages if "baby_crying" in payload]
        sound = f"homeassistant/event/heard_{INSTALLATION}_kitchen/sound/config"
        assert (DEVICE if dialect == "device" else sound) in before


@pytest.mark.parametrize("dialect", ["single", "device"])
async def test_what_goes_leaves_nothing(tmp_path: Path, mosquitto: Mosquitto, dialect: Dialect) -> None:
    """A profile, a rule, a stream: each goes without a retained topic, while the others stay."""
    async with node(mosquitto, tmp_path) as speaker:
        for of in (house(), WITHOUT_BABY, house(rules=()), house(streams=("kitchen",))):
            speaker.show(of, dialect)
            await kept(mosquitto, of, dialect)
        speaker.show(of, None)
        await kept(mosquitto, of, None)


async def test_a_component_is_taken_away_by_its_platform_alone(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Home Assistant forgets a component when it is told its platform and no more, once."""
    async with listening(mosquitto) as listener, node(mosquitto, tmp_path) as speaker:
        speaker.show(house(), "device")
        await kept(mosquitto, house(), "device")
        speaker.show(WITHOUT_BABY, "device")
        await kept(mosquitto, WITHOUT_BABY, "device")

        def taken_away(messages: list[tuple[str, str, bool]]) -> bool:
            payloads = [json.loads(payload) for topic, payload, _ in messages if topic == DEVICE]
            said = [payload["components"].get("profile_baby_crying") for payload in payloads]
            return {"platform": "binary_sensor"} in said and said[-1] is None

        await listener.until(taken_away)


@pytest.mark.parametrize("dialect", ["single", "device"])
async def test_what_went_while_nobody_ran_goes_too(
    tmp_path: Path, mosquitto: Mosquitto, dialect: Dialect
) -> None:
    """A stream and a profile were taken out of the configuration between two runs."""
    async with node(mosquitto, tmp_path) as speaker:
        speaker.show(house(), dialect)
        await kept(mosquitto, house(), dialect)
    smaller = house(streams=("hall",), sounds=(Sound(name="alarm_beep", sustained=True),), rules=())
    async with node(mosquitto, tmp_path) as speaker:
        speaker.show(smaller, dialect)
        await kept(mosquitto, smaller, dialect)


@pytest.mark.parametrize(("before", "after"), [("single", "device"), ("device", "single")])
async def test_entities_move_to_the_other_dialect(
    tmp_path: Path, mosquitto: Mosquitto, before: Dialect, after: Dialect
) -> None:
    """The old topics announce the move, the new ones are told, and only then the old ones go."""
    old, new = (BABY, DEVICE) if before == "single" else (DEVICE, BABY)
    async with node(mosquitto, tmp_path) as speaker:
        speaker.show(house(), before)
        await kept(mosquitto, house(), before)
    async with listening(mosquitto) as listener:
        async with node(mosquitto, tmp_path) as speaker:
            speaker.show(house(), after)
            await kept(mosquitto, house(), after)
        said = [
            (topic, payload)
            for topic, payload, was_kept in listener.messages
            if topic in {old, new} and not was_kept
        ]
    announced = said.index((old, '{"migrate_discovery":true}'))
    told = next(index for index, (topic, _) in enumerate(said) if topic == new)
    gone = said.index((old, ""))
    assert announced < told < gone


async def test_what_is_not_told_of_any_more_does_not_move(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Home Assistant would wait for it for ever."""
    async with node(mosquitto, tmp_path) as speaker:
        speaker.show(house(), "single")
        await kept(mosquitto, house(), "single")
    async with listening(mosquitto) as listener:
        async with node(mosquitto, tmp_path) as speaker:
            speaker.show(WITHOUT_BABY, "device")
            await kept(mosquitto, WITHOUT_BABY, "device")
        assert '{"migrate_discovery":true}' not in listener.payloads(BABY)
        assert listener.payloads(BABY)[-1] == ""


async def test_a_broker_that_is_away_is_told_when_it_returns(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """It comes back without anything retained; what went meanwhile does not come back with it."""
    async with node(mosquitto, tmp_path) as speaker:
        speaker.show(house(), "device")
        await kept(mosquitto, house(), "device")
        mosquitto.kill()
        speaker.show(WITHOUT_BABY, "device")
        mosquitto.start()
        await kept(mosquitto, WITHOUT_BABY, "device")


async def test_home_assistants_birth_is_answered(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """All of it is said again, what there is before how it stands."""
    of = house()
    async with listening(mosquitto) as listener, node(mosquitto, tmp_path) as speaker:
        born = HomeAssistantBirth(speaker.link, speaker.publisher.introduce, soonest_s=0.0, latest_s=0.0)
        task = asyncio.create_task(born.run())
        speaker.show(of, "device")
        await kept(mosquitto, of, "device")
        listener.messages.clear()
        speaker.link.publish("homeassistant/status", "online")
        everything = {DEVICE, *retained_states(of)} - {of.topics.available}
        await listener.until(lambda messages: everything <= {topic for topic, *_ in messages})
        topics = [topic for topic, *_ in listener.messages]
        assert topics.index(DEVICE) < topics.index(of.topics.status("kitchen"))
        task.cancel()


@pytest.mark.parametrize(
    "content", ["", "[]", '{"told": 3, "states": []}', '{"told": {"a": 1}, "states": []}']
)
def test_a_memory_that_cannot_be_read_is_none(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "memory.json"
    path.write_text(content)
    assert not Memory(path).kept.topics
    assert "cannot be read" in caplog.text


def test_a_memory_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    memory: Any = Memory(tmp_path / "gone" / "memory.json")
    memory.keep(memory.kept.and_also(type(memory.kept)(states=frozenset({"a"}))))
    assert memory.kept.states == {"a"}
    assert "could not be written" in caplog.text
