"""What Home Assistant is told, in both dialects, whatever its owner calls things."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings

from integrations.home_assistant.discovery.devices import devices_of
from integrations.home_assistant.discovery.dialects import Dialect, Told, told_by_topic
from integrations.home_assistant.discovery.house import House, retained_states
from tests.integrations.home_assistant.discovery.houses import INSTALLATION, house, houses

SCHEMA = json.loads(Path(__file__).with_name("device_payload.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

READ_BY_2024_3 = re.compile(r"homeassistant/\w+/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config")
"""Topics of any other form are passed over by every release."""


def told(of: House, dialect: Dialect) -> dict[str, Told]:
    return told_by_topic(devices_of(of), dialect=dialect, prefix="homeassistant", sw_version="0.1.0")


def entities(of: House, dialect: Dialect) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give platform and payload of every entity."""
    for topic, each in told(of, dialect).items():
        if dialect == "single":
            yield topic.split("/")[1], each.payload
        else:
            for component in each.payload["components"].values():
                yield component["platform"], component


def entity(of: House, unique_id: str) -> Mapping[str, Any]:
    [found] = [
        each for _, each in entities(of, "single") if each["unique_id"] == f"{INSTALLATION}{unique_id}"
    ]
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@given(of=houses())
@settings(max_examples=60, deadline=None)
def test_payloads_of_devices_are_as_home_assistant_2026_11_reads_them(of: House) -> None:
    for topic, each in told(of, "device").items():
        assert READ_BY_2024_3.fullmatch(topic)
        VALIDATOR.validate(json.loads(json.dumps(each.payload)))
        lost = {"gone": "event", **dict(list(each.components.items())[:1])}
        VALIDATOR.validate(json.loads(json.dumps(each.taking_away(lost))))


@given(of=houses())
@settings(max_examples=60, deadline=None)
def test_different_things_are_never_one(of: House) -> None:
    """Whatever the names, no two entities share a topic or, on one platform, an id."""
    single = list(entities(of, "single"))
    ids = [(platform, each["unique_id"]) for platform, each in single]
    assert len(set(ids)) == len(ids)
    assert sorted(ids) == sorted((platform, each["unique_id"]) for platform, each in entities(of, "device"))
    devices = {each["device"]["identifiers"][0] for _, each in single}
    assert len(devices) == 1 + len(of.ears)
    assert all(READ_BY_2024_3.fullmatch(topic) for topic in told(of, "single"))


@given(of=houses())
@settings(max_examples=30, deadline=None)
def test_both_dialects_say_the_same(of: House) -> None:
    def said(dialect: Dialect) -> list[str]:
        shared = {"device", "origin", "platform"}
        return sorted(
            json.dumps({key: value for key, value in each.items() if key not in shared}, sort_keys=True)
            for _, each in entities(of, dialect)
        )

    assert said("single") == said("device")


@given(of=houses())
@settings(max_examples=30, deadline=None)
def test_every_state_that_is_shown_is_cleaned_up_with_its_owner(of: House) -> None:
    """Each topic that an entity reads is one that goes with it, or one that is never retained."""
    fleeting = {of.topics.event(ear.stream) for ear in of.ears}
    fleeting |= {of.topics.level(ear.stream) for ear in of.ears}
    for _, each in entities(of, "single"):
        read = {each.get("state_topic"), each.get("image_topic")} - {None}
        read |= {where["topic"] for where in each.get("availability", ())}
        assert read <= retained_states(of) | fleeting


def test_names_change_and_ids_do_not() -> None:
    """The id of an entity holds nothing that its owner may rename."""
    before, after = house(node="hub"), house(node="Küche")
    assert {each["unique_id"] for _, each in entities(before, "single")} == {
        each["unique_id"] for _, each in entities(after, "single")
    }


def test_a_guess_is_never_called_safety_nor_a_level_a_pressure() -> None:
    classes = {each.get("device_class") for _, each in entities(house(), "single")}
    assert classes == {None, "sound", "connectivity", "problem"}
    level = entity(house(), "_kitchen/level")
    assert level["unit_of_measurement"] == "dBFS"
    assert level["enabled_by_default"] is False
    assert "device_class" not in level


def test_a_stream_hears_its_profiles_and_what_rules_make_of_them() -> None:
    of = house(streams=("kitchen",), emitted=("intruder",))
    sound = entity(of, "_kitchen/sound")
    assert sound["event_types"] == ["alarm_beep", "baby_crying", "glass_breaking", "intruder"]
    assert sound["state_topic"] == "heard/hub/kitchen/event"
    lasting = {each["unique_id"] for _, each in entities(of, "single") if each.get("device_class") == "sound"}
    assert lasting == {
        f"{INSTALLATION}_kitchen/profile_alarm_beep",
        f"{INSTALLATION}_kitchen/profile_baby_crying",
    }


@pytest.mark.parametrize(
    ("key", "request_sent"),
    [
        ("teach", {"stream": "Küche", "last_s": 30}),
        ("false_alarm", {"stream": "Küche", "verdict": "wrong"}),
    ],
)
def test_buttons_send_what_the_node_understands(key: str, request_sent: dict[str, Any]) -> None:
    of = house(streams=("Küche",))
    [button] = [each for _, each in entities(of, "single") if each["unique_id"].endswith(f"/{key}")]
    assert json.loads(button["payload_press"]) == request_sent


def test_microphones_are_reached_through_the_node() -> None:
    payloads = [each.payload for each in told(house(), "device").values()]
    assert [payload["device"].get("via_device") for payload in payloads] == [
        None,
        INSTALLATION,
        INSTALLATION,
    ]
