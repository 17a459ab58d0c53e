"""The blueprints, as `heard ha install` puts them there: Home Assistant takes them, and they work."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

import asyncio
import itertools
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.blueprint import DomainBlueprints, models
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util import yaml as yaml_util
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    async_mock_service,
)

from tests.home_assistant.programs import HEARD_PYTHON, REPOSITORY

SOUND = "event.heard_kitchen_sound"
CRYING = "binary_sensor.heard_nursery_baby_crying"
BEEPING = "binary_sensor.heard_hall_alarm_beep"
_numbers = itertools.count(1)
FOUR = ("flash_lights_on_alarm", "light_on_double_snap", "notify_with_clip", "thermostat_on_baby_cry")


@pytest.fixture
def installed(hass: HomeAssistant, tmp_path: Path) -> Path:
    """A configuration folder into which heard has been installed."""
    (tmp_path / "configuration.yaml").touch()
    command = [str(HEARD_PYTHON), "-m", "daemon", "ha", "install", "--config", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    hass.config.config_dir = str(tmp_path)
    return tmp_path


async def automate(hass: HomeAssistant, blueprint: str, **inputs: Any) -> None:
    """Let an automation be made from a blueprint, as on Home Assistant's page."""
    use = {"path": f"heard/{blueprint}.yaml", "input": inputs}
    assert await async_setup_component(
        hass, "automation", {"automation": {"alias": "It", "use_blueprint": use}}
    )
    await hass.async_block_till_done()
    assert hass.states.get("automation.it").state == "on"


def hear(hass: HomeAssistant, profile: str, event: str = "") -> None:
    """Let the event entity have heard something."""
    event = event or f"{next(_numbers):016x}"
    attributes = {"event_type": profile, "id": event, "score": 0.913, "started": dt_util.utcnow().isoformat()}
    hass.states.async_set(SOUND, dt_util.utcnow().isoformat(timespec="milliseconds"), attributes)


async def settled() -> None:
    """Let everything happen that can without time going on: runs that wait are not waited for."""
    for _ in range(50):
        await asyncio.sleep(0)


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, **passed: float) -> None:
    await settled()
    freezer.tick(timedelta(**passed))
    async_fire_time_changed(hass, dt_util.utcnow())
    await settled()


@pytest.mark.parametrize("name", FOUR)
async def test_home_assistant_takes_the_blueprint(installed: Path, name: str) -> None:
    """Everything it says about itself is valid, and where it came from is said."""
    path = installed / "blueprints" / "automation" / "heard" / f"{name}.yaml"
    blueprint = models.Blueprint(yaml_util.load_yaml_dict(path), expected_domain="automation")
    assert blueprint.validate() is None
    assert blueprint.name.startswith("heard: ")
    assert all(entry.get("name") for entry in blueprint.inputs.values())


async def test_home_assistant_offers_all_of_them(hass: HomeAssistant, installed: Path) -> None:
    assert await async_setup_component(hass, "automation", {})
    blueprints: DomainBlueprints = hass.data["blueprint"]["automation"]
    found = await blueprints.async_get_blueprints()
    assert {f"heard/{name}.yaml" for name in FOUR} <= found.keys()


async def test_two_snaps_toggle_lights_and_one_does_not(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    toggled = async_mock_service(hass, "light", "toggle")
    hass.states.async_set(SOUND, "unknown")
    await automate(hass, "light_on_double_snap", sound=SOUND, lights={"entity_id": "light.desk"}, within=1.2)
    hear(hass, "finger_snap")
    await settled()
    await later(hass, freezer, seconds=2)
    assert toggled == []
    hear(hass, "finger_snap")
    await settled()
    await later(hass, freezer, seconds=0.5)
    hear(hass, "finger_snap")
    await settled()
    assert [call.data["entity_id"] for call in toggled] == [["light.desk"]]


async def test_other_sounds_and_an_entity_that_comes_back_are_no_snaps(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    toggled = async_mock_service(hass, "light", "toggle")
    hass.states.async_set(SOUND, "unknown")
    await automate(hass, "light_on_double_snap", sound=SOUND, lights={"entity_id": "light.desk"})
    hear(hass, "finger_snap")
    await later(hass, freezer, seconds=0.3)
    hear(hass, "dog_bark")
    await later(hass, freezer, seconds=2)
    snap = hass.states.get(SOUND)
    for _ in range(2):
        hass.states.async_set(SOUND, "unavailable")
        hass.states.async_set(SOUND, snap.state, {**snap.attributes, "event_type": "finger_snap"})
        await later(hass, freezer, seconds=0.1)
    assert toggled == []


async def test_a_crying_baby_gets_it_warmer_until_it_is_quiet(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    """Only when it goes on, never above the limit, and back afterwards."""
    thermostat = "climate.nursery"
    hass.states.async_set(CRYING, "off")
    hass.states.async_set(thermostat, "heat", {"temperature": 21.5})
    calls: list[float] = []

    async def set_temperature(call: ServiceCall) -> None:
        calls.append(call.data["temperature"])
        hass.states.async_set(thermostat, "heat", {"temperature": call.data["temperature"]})

    hass.services.async_register("climate", "set_temperature", set_temperature)
    await automate(
        hass, "thermostat_on_baby_cry", crying=CRYING, thermostat=thermostat, sustained=20, quiet=30
    )
    hass.states.async_set(CRYING, "on")
    await later(hass, freezer, seconds=10)
    hass.states.async_set(CRYING, "off")
    await later(hass, freezer, seconds=30)
    assert calls == []
    hass.states.async_set(CRYING, "on")
    await later(hass, freezer, seconds=21)
    assert calls == [22]
    hass.states.async_set(CRYING, "off")
    await later(hass, freezer, minutes=20)
    assert calls == [22]
    await later(hass, freezer, minutes=11)
    assert calls == [22, 21.5]


async def test_whoever_turned_the_thermostat_meanwhile_is_right(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    thermostat = "climate.nursery"
    hass.states.async_set(CRYING, "off")
    hass.states.async_set(thermostat, "heat", {"temperature": 20})
    calls = async_mock_service(hass, "climate", "set_temperature")
    await automate(hass, "thermostat_on_baby_cry", crying=CRYING, thermostat=thermostat)
    hass.states.async_set(CRYING, "on")
    await later(hass, freezer, seconds=21)
    assert [call.data["temperature"] for call in calls] == [21]
    hass.states.async_set(thermostat, "heat", {"temperature": 18})
    hass.states.async_set(CRYING, "off")
    await later(hass, freezer, minutes=31)
    assert len(calls) == 1


async def test_an_alarm_flashes_lights_that_stand_as_before_afterwards(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    """At least as often as asked for, for as long as it beeps, and at most as often as asked for."""
    on = async_mock_service(hass, "light", "turn_on")
    off = async_mock_service(hass, "light", "turn_off")
    kept = async_mock_service(hass, "scene", "create")
    restored = async_mock_service(hass, "scene", "turn_on")
    hass.states.async_set(BEEPING, "off")
    lights = ["light.hall", "light.bed"]
    await automate(hass, "flash_lights_on_alarm", alarm=[BEEPING], lights=lights, at_least=3, at_most=8)
    hass.states.async_set(BEEPING, "on")
    await settled()
    assert kept[0].data["snapshot_entities"] == lights
    for _ in range(10):
        await later(hass, freezer, seconds=1)
    assert (len(on), len(off), restored) == (6, 5, [])
    hass.states.async_set(BEEPING, "off")
    for _ in range(3):
        await later(hass, freezer, seconds=1)
    assert (len(on), len(off)) == (6, 6)
    assert restored[0].data["entity_id"] == [f"scene.{kept[0].data['scene_id']}"]


async def test_a_phone_is_told_at_once_and_again_with_the_clip(
    hass: HomeAssistant, installed: Path, freezer: FrozenDateTimeFactory
) -> None:
    """The second message takes the first one's place; "False alarm" goes back to heard."""
    messages = async_mock_service(hass, "notify", "mobile_app_phone")
    marked = async_mock_service(hass, "heard", "feedback")
    hass.states.async_set(SOUND, "unknown", {"friendly_name": "heard kitchen Sound"})
    await automate(
        hass, "notify_with_clip", sound=[SOUND], profiles=["glass_breaking"], notify="notify.mobile_app_phone"
    )
    hear(hass, "dog_bark", "1111111111111111")
    hear(hass, "glass_breaking", "2222222222222222")
    await settled()
    [first] = messages
    assert first.data["title"] == "Glass breaking"
    assert first.data["message"].endswith("91 %")
    assert first.data["data"]["tag"] == "heard-2222222222222222"
    picture = "/api/heard/evidence/2222222222222222/spectrogram.png"
    clip = {"id": "2222222222222222", "clip": picture.replace("spectrogram.png", "clip.flac")}
    hass.bus.async_fire("heard_clip", {"id": "1111111111111111", "clip": "x", "spectrogram": "x"})
    hass.bus.async_fire("heard_clip", {**clip, "spectrogram": picture})
    await settled()
    second = messages[1]
    assert len(messages) == 2
    assert second.data["data"]["tag"] == first.data["data"]["tag"]
    assert second.data["data"]["image"] == picture
    [wrong] = [each for each in first.data["data"]["actions"] if each["title"] == "False alarm"]
    hass.bus.async_fire("mobile_app_notification_action", {"action": wrong["action"]})
    await settled()
    assert [(str(call.data["event"]), call.data["verdict"]) for call in marked] == [
        ("2222222222222222", "wrong")
    ]
    hear(hass, "glass_breaking", "3333333333333333")
    await later(hass, freezer, seconds=31)
    assert len(messages) == 2
    hear(hass, "glass_breaking", "4444444444444444")
    await settled()
    assert len(messages) == 3
    await later(hass, freezer, hours=13)
