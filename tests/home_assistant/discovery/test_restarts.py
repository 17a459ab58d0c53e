"""Home Assistant, the broker and heard come back in every order, and everything stands as it should."""

from __future__ import annotations

import itertools

import pytest
import pytest_socket

from tests.home_assistant.discovery.conftest import House
from tests.home_assistant.programs import until

PARTS = ("broker", "heard", "home_assistant")
RULE = "switch.heard_hub_rule_keep_alarms"

STANDS = {
    "binary_sensor.heard_hub_connected": "on",
    "binary_sensor.heard_hub_rules_problem": "off",
    "binary_sensor.heard_kitchen_online": "on",
    "binary_sensor.heard_kitchen_problem": "off",
    "number.heard_hub_threshold_dog_bark": "0.5",
    "switch.heard_kitchen_listening": "on",
    RULE: "off",
}
"""What its owner has set has to be there again, too."""


def start(house: House, part: str) -> None:
    """Start a part, and return when it has come as far as it can without the others."""
    if part == "heard":
        told = house.heard.log.read_text().count("listening on")
        house.heard.start()
        until(lambda: house.heard.log.read_text().count("listening on") > told, what=house.heard.tail)
    else:
        getattr(house, part).start()


def stop(house: House, part: str) -> None:
    getattr(house, part).stop()


def connections(house: House) -> int:
    """Return how often heard has reached the broker."""
    return house.heard.log.read_text().count("connected to the MQTT broker")


def all_stands(house: House) -> bool:
    entities = house.home_assistant.entities()
    return entities.items() >= STANDS.items() and "unavailable" not in entities.values()


@pytest.fixture(scope="module", autouse=True)
def _as_its_owner_wants_it(house: House) -> None:
    # The harness shuts sockets for each test, and this comes before it opens them.
    pytest_socket.enable_socket()
    house.home_assistant.call("switch.turn_off", entity_id=RULE)
    house.home_assistant.call("number.set_value", entity_id="number.heard_hub_threshold_dog_bark", value=0.5)
    until(lambda: all_stands(house), what=lambda: f"all to stand: {house.home_assistant.entities()}")


@pytest.mark.parametrize("order", itertools.permutations(PARTS), ids="-".join)
def test_everything_comes_back(house: House, order: tuple[str, ...]) -> None:
    """All were off; each starts when the one before stands."""
    before = house.home_assistant.entities().keys()
    for part in ("home_assistant", "heard", "broker"):
        stop(house, part)
    for part in order:
        start(house, part)
    until(lambda: all_stands(house), what=lambda: f"all to stand: {house.home_assistant.entities()}")
    assert house.home_assistant.entities().keys() == before


@pytest.mark.parametrize("part", PARTS)
def test_one_alone_dies_and_returns(house: House, part: str) -> None:
    """Without a word, as in a power cut; what one can know of it meanwhile is shown."""
    at_home = house.home_assistant
    connected = connections(house)
    getattr(house, part).kill()
    if part != "home_assistant":
        at_home.is_in("binary_sensor.heard_kitchen_online", "unavailable")
    start(house, part)
    if part != "home_assistant":
        until(lambda: connections(house) > connected, what=house.heard.tail)
    until(lambda: all_stands(house), what=lambda: f"all to stand: {at_home.entities()}")


def test_after_all_that_a_sound_still_fires_the_automation(house: House) -> None:
    at_home = house.home_assistant
    fired = int(at_home.state("counter.fired") or 0)
    until(lambda: int(at_home.state("counter.fired") or 0) > fired, what=house.heard.tail)
