"""What is taken out of the configuration vanishes from Home Assistant, and from the broker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.home_assistant.discovery.conftest import DIALECT, House
from tests.home_assistant.programs import until


@pytest.fixture
def other_configuration(house: House) -> Iterator[Any]:
    """Restart heard with another configuration; at the end, with its own again."""

    def use(**changed: Any) -> None:
        house.heard.stop()
        house.heard.configure({**house.config, **changed})
        house.heard.start()

    yield use
    use()


def test_a_profile_a_rule_and_a_stream_vanish(house: House, other_configuration: Any) -> None:
    """They went while heard was off; what stays keeps its entities."""
    at_home = house.home_assistant
    at_home.is_in("switch.heard_kitchen_listening", "on")
    there = at_home.entities()
    kitchen = house.config["streams"]["kitchen"]
    other_configuration(streams={"hall": kitchen}, stock_profiles=["alarm_beep"], rules=None)
    gone = {entity for entity in there if "kitchen" in entity or "dog_bark" in entity or "rule_" in entity}
    until(lambda: not gone & at_home.entities().keys(), what="the entities to vanish")
    at_home.is_in("binary_sensor.heard_hall_online", "on")
    assert there.keys() - gone <= at_home.entities().keys()
    left = [topic for topic in house.retained() if "kitchen" in topic or "dog_bark" in topic]
    assert not left


def test_without_discovery_nothing_is_left(house: House, other_configuration: Any) -> None:
    """No entity, no device, no retained topic of discovery: not even in what Home Assistant keeps."""
    mqtt = {**house.config["mqtt"], "discovery": {"dialect": "off"}}
    other_configuration(mqtt=mqtt)
    until(lambda: not house.home_assistant.entities(), what="the entities to vanish")
    assert not [topic for topic in house.retained() if topic.startswith("homeassistant/")]
    house.home_assistant.stop()
    try:
        storage = house.folder / "home-assistant" / ".storage"
        devices = json.loads((storage / "core.device_registry").read_text())["data"]["devices"]
        entities = json.loads((storage / "core.entity_registry").read_text())["data"]["entities"]
    finally:
        house.home_assistant.start()
    assert not [device["name"] for device in devices if device["manufacturer"] == "heard"]
    assert not [entity["entity_id"] for entity in entities if entity["platform"] == "mqtt"]


@pytest.mark.skipif(DIALECT != "single", reason="this Home Assistant knows both dialects")
def test_a_home_assistant_before_2024_11_passes_over_the_other_dialect(
    house: House, other_configuration: Any
) -> None:
    """It makes nothing of payloads of devices; told the right dialect, it has everything again."""
    mqtt = {**house.config["mqtt"], "discovery": {"dialect": "auto"}}
    other_configuration(mqtt=mqtt)
    until(
        lambda: any(topic.startswith("homeassistant/device/") for topic in house.retained()),
        what="payloads of devices",
    )
    until(lambda: not house.home_assistant.entities(), what="the entities to vanish")
    other_configuration()
    house.home_assistant.is_in("binary_sensor.heard_kitchen_online", "on")
    assert not [topic for topic in house.retained() if topic.startswith("homeassistant/device/")]


@pytest.mark.skipif(DIALECT != "device", reason="this Home Assistant knows one dialect only")
def test_entities_move_between_the_dialects_and_stay_the_same(house: House, other_configuration: Any) -> None:
    """Home Assistant forgets none of them on the way: what their owner has made of them stays."""
    at_home = house.home_assistant
    at_home.is_in("binary_sensor.heard_kitchen_online", "on")
    there, forgotten = at_home.entities().keys(), at_home.state("counter.removed")
    for dialect in ("single", "device"):
        other_configuration(mqtt={**house.config["mqtt"], "discovery": {"dialect": dialect}})
        until(partial(only_told_in, house, dialect), what=f"the dialect {dialect}")
        at_home.is_in("binary_sensor.heard_kitchen_online", "on")
        assert at_home.entities().keys() == there
    assert at_home.state("counter.removed") == forgotten


def only_told_in(house: House, dialect: str) -> bool:
    """Say whether the broker keeps what is told in one dialect, and nothing of the other."""
    told = [topic for topic in house.retained() if topic.endswith("/config")]
    return {topic.startswith("homeassistant/device/") for topic in told} == {dialect == "device"}
