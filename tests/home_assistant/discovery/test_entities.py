"""What a real Home Assistant makes of a real heard, and what comes of using it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.home_assistant.discovery.conftest import House
from tests.home_assistant.programs import until

EXPECTED = {
    "binary_sensor.heard_hub_connected": "on",
    "binary_sensor.heard_kitchen_online": "on",
    "binary_sensor.heard_kitchen_problem": "off",
    "button.heard_kitchen_false_alarm": "unknown",
    "button.heard_kitchen_teach": "unknown",
    "switch.heard_hub_rule_keep_alarms": "on",
    "switch.heard_kitchen_listening": "on",
}
"""How these stand whatever sounds at the moment."""

ALSO = {
    "binary_sensor.heard_hub_rules_problem",
    "binary_sensor.heard_kitchen_alarm_beep",
    "event.heard_kitchen_sound",
    "image.heard_kitchen_spectrogram",
    "number.heard_hub_threshold_alarm_beep",
    "number.heard_hub_threshold_dog_bark",
    "sensor.heard_hub_actions",
    "sensor.heard_hub_clips",
    "sensor.heard_hub_dropped_samples",
    "sensor.heard_hub_events",
}

SOUND = "event.heard_kitchen_sound"
THRESHOLD = "number.heard_hub_threshold_dog_bark"


def test_discovery_makes_the_entities(house: House) -> None:
    """All there are, and no others: levels are there when somebody asks for them, which nobody has."""
    at_home = house.home_assistant

    for entity, state in EXPECTED.items():
        at_home.is_in(entity, state)
    assert at_home.entities().keys() == EXPECTED.keys() | ALSO
    assert at_home.template(f"{{{{ device_attr('{SOUND}', 'name') }}}}") == "heard kitchen"
    via = "{{ device_attr(device_attr('%s', 'via_device_id'), 'name') }}"
    assert at_home.template(via % SOUND) == "heard hub"


def test_a_sound_fires_an_automation(house: House) -> None:
    """Its owner wrote it in YAML; the event that it saw is the one that heard has told of."""
    at_home = house.home_assistant
    until(lambda: int(at_home.state("counter.fired") or 0), what=house.heard.tail)
    stream, event_id = (at_home.state("input_text.newest") or "").split()
    assert stream == "kitchen"
    assert event_id in house.heard.log.read_text()
    at_home.is_in("binary_sensor.heard_kitchen_alarm_beep", "on")
    at_home.is_in("binary_sensor.heard_kitchen_alarm_beep", "off")


def test_an_event_has_begun_once(house: House) -> None:
    """What the automation counts is sounds, not their beginnings and ends."""
    at_home = house.home_assistant
    fired = int(at_home.state("counter.fired") or 0)
    until(lambda: int(at_home.state("counter.fired") or 0) >= fired + 2, what="two more alarms")
    entity = at_home.entity(SOUND)
    assert entity is not None
    assert entity["attributes"]["phase"] == "started"
    heard = house.heard.log.read_text().count("alarm_beep")
    assert int(at_home.state("counter.fired") or 0) <= heard


def test_the_newest_spectrogram_is_shown(house: House) -> None:
    at_home = house.home_assistant
    picture = "image.heard_kitchen_spectrogram"
    until(lambda: at_home.state(picture) not in {"unknown", "unavailable"}, what="the picture")
    entity = at_home.entity(picture)
    assert entity is not None
    assert at_home.picture(entity["attributes"]["entity_picture"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("switch", ["switch.heard_kitchen_listening", "switch.heard_hub_rule_keep_alarms"])
def test_switches_switch(house: House, switch: str) -> None:
    """Home Assistant shows what heard says, not what it asked for."""
    at_home = house.home_assistant
    for service, state in (("switch.turn_off", "off"), ("switch.turn_on", "on")):
        at_home.call(service, entity_id=switch)
        at_home.is_in(switch, state)
    at_home.is_in("binary_sensor.heard_kitchen_online", "on")


def test_a_threshold_is_set_and_a_senseless_one_refused(house: House) -> None:
    at_home = house.home_assistant
    at_home.call("number.set_value", entity_id=THRESHOLD, value=0.75)
    at_home.is_in(THRESHOLD, "0.75")
    at_home.call("number.set_value", entity_id=THRESHOLD, value=1.0)
    until(lambda: "was refused" in house.heard.log.read_text(), what="the refusal")
    assert at_home.state(THRESHOLD) == "0.75"


def test_a_false_alarm_is_told_with_a_button(house: House) -> None:
    """The newest event of the stream is marked, though the button knows of none."""
    at_home = house.home_assistant
    with house.hearing("heard/hub/feedback/result") as answers:
        at_home.call("button.press", entity_id="button.heard_kitchen_false_alarm")
        answer = json.loads(until(answers, what="an answer")[0].payload)
    assert answer["ok"], answer
    assert answer["profile"] == "alarm_beep"
    # The tests that follow want it to be heard again.
    house.command("profiles", "undo", "alarm_beep")


def test_a_sound_that_is_taught_with_a_button_gets_its_entities(house: House) -> None:
    """And loses them when its profile is removed; all while everything runs."""
    at_home = house.home_assistant
    until(lambda: at_home.state(SOUND) not in {"unknown", "unavailable"}, what="something to teach from")
    before = at_home.entities().keys()
    with house.hearing("heard/hub/teach/result") as answers:

        def taught() -> dict[str, Any] | None:
            before = len(answers() or ())
            at_home.call("button.press", entity_id="button.heard_kitchen_teach")
            until(lambda: len(answers() or ()) > before, what="an answer")
            answer: dict[str, Any] = json.loads((answers() or ())[-1].payload)
            return answer if answer["ok"] else None

        # Of a daemon that has just started, little has sounded yet.
        answer = until(taught, what="something to teach from")
    name = answer["profile"]
    threshold = f"number.heard_hub_threshold_{name}"
    # Whether it lasts, so that it also has something to be on and off, is for the teaching to say.
    lasting = f"binary_sensor.heard_kitchen_{name}"
    until(lambda: threshold in at_home.entities(), what="its threshold")
    until(lambda: name in event_types(house), what="it to be among the events that may come")
    assert at_home.entities().keys() - before <= {threshold, lasting}
    house.command("profiles", "remove", name)
    until(lambda: at_home.entities().keys() == before, what="its entities to vanish")
    until(lambda: name not in event_types(house), what="it to be no longer among the events that may come")
    until(lambda: not [topic for topic in house.retained() if name in topic], what="its topics to be gone")


def event_types(house: House) -> list[str]:
    """Return what may come as an event in the kitchen, as Home Assistant knows it."""
    entity = house.home_assistant.entity(SOUND)
    return [] if entity is None else list(entity["attributes"]["event_types"])
