"""A daemon that is set up: its entities follow it, go and come with it, and leave nothing behind."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

import logging

import pytest
import yaml
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.home_assistant.component.conftest import RULES, Daemon, asked, comes, set_up

SOUND = "event.heard_kitchen_sound"
ALARM = "binary_sensor.heard_kitchen_alarm_beep"


async def test_what_there_is_gets_entities(
    hass: HomeAssistant, entry: MockConfigEntry, steady: Daemon
) -> None:
    """One of each for the stream, one switch a rule, one threshold a profile; levels only where asked for."""
    profiles = (await asked(hass, steady, "profiles"))["profiles"]
    sustained = [profile for profile in profiles if profile["kind"] == "sustained"]
    registry = er.async_get(hass)
    there = er.async_entries_for_config_entry(registry, entry.entry_id)
    count = {domain: sum(each.domain == domain for each in there) for domain in {e.domain for e in there}}
    assert count == {
        "binary_sensor": len(sustained) + 2,
        "button": 2,
        "event": 1,
        "image": 1,
        "number": len(profiles),
        "sensor": 2,
        "switch": 1 + len(RULES),
    }
    assert {each.entity_id for each in there if each.disabled_by is not None} == {
        "sensor.heard_kitchen_level",
        "sensor.heard_kitchen_noise_floor",
    }
    assert set(hass.states.get(SOUND).attributes["event_types"]) == {profile["name"] for profile in profiles}
    assert hass.states.get("switch.heard_hub_rule_alarm_clip").state == STATE_ON
    kitchen = dr.async_get(hass).async_get(registry.async_get(SOUND).device_id)
    assert dr.async_get(hass).async_get(kitchen.via_device_id).name == "heard hub"


async def test_no_class_promises_what_a_microphone_cannot_know(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Sirens get wired to smoke and safety; decibels below full scale are no sound pressure."""
    there = er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
    classes = {each.original_device_class for each in there}
    assert classes <= {None, "sound", "connectivity", "problem"}


async def test_a_sound_fires_the_event_and_turns_its_state_on_and_off(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """The event has what the daemon told, and a clip that is ready is said."""
    ready: list[Event] = []
    hass.bus.async_listen("heard_clip", ready.append)
    await comes(lambda: hass.states.is_state(ALARM, STATE_ON), what="the alarm")
    sound = hass.states.get(SOUND)
    assert sound.attributes["event_type"] == "alarm_beep"
    assert sound.attributes["stream"] == "kitchen"
    assert 0 < sound.attributes["score"] <= 1
    await comes(lambda: hass.states.is_state(ALARM, STATE_OFF), what="the end of the alarm")
    await comes(lambda: ready, what="a clip")
    clip = ready[0].data
    assert clip["clip"] == f"/api/heard/evidence/{clip['id']}/clip.flac"
    assert (clip["stream"], clip["profile"]) == ("kitchen", "alarm_beep")


async def test_a_daemon_that_goes_takes_its_entities_along_and_brings_them_back(
    hass: HomeAssistant, daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    """Once down and once up in the log, at info; a sound that goes on meanwhile does not stay on."""
    caplog.set_level(logging.INFO, "custom_components.heard")
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    await comes(lambda: hass.states.is_state(ALARM, STATE_ON), what="the alarm")
    await hass.async_add_executor_job(daemon.kill)
    await comes(lambda: hass.states.is_state(ALARM, STATE_UNAVAILABLE), what="the daemon to be gone")
    assert hass.states.is_state("switch.heard_hub_rule_alarm_clip", STATE_UNAVAILABLE)
    await hass.async_add_executor_job(daemon.start)
    await comes(lambda: hass.states.is_state(ALARM, STATE_OFF), what="the daemon to be back")
    told = [record for record in caplog.records if "reachable" in record.message or "back" in record.message]
    assert [(record.levelname, record.message.split(":")[0]) for record in told] == [
        ("INFO", "heard hub is not reachable"),
        ("INFO", "heard hub is back"),
    ]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_daemon_that_is_not_there_is_tried_again(hass: HomeAssistant, daemon: Daemon) -> None:
    """Home Assistant sets it up by itself once it answers."""
    entry = MockConfigEntry(
        domain="heard", unique_id="0" * 32, data={"url": daemon.url, "token": daemon.token}
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    await hass.config_entries.async_remove(entry.entry_id)


async def test_another_installation_at_the_address_is_not_taken_for_it(
    hass: HomeAssistant, steady: Daemon
) -> None:
    entry = MockConfigEntry(
        domain="heard", unique_id="0" * 32, data={"url": steady.url, "token": steady.token}
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert "another installation" in entry.reason


async def test_unloading_ends_everything(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """No task, no listener and no state is left; the harness itself looks for the first two."""
    assert await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert hass.states.get(SOUND).state == STATE_UNAVAILABLE
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED


async def test_what_comes_and_goes_with_the_daemon_does_so_here(hass: HomeAssistant, daemon: Daemon) -> None:
    """A rule that is saved gets its switch, a stream that is no longer there loses its device."""
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    (daemon.folder / "rules.yaml").write_text(yaml.safe_dump([{**RULES[0], "id": "other", "alias": "Other"}]))
    await comes(lambda: hass.states.get("switch.heard_hub_rule_other"), what="the new rule")
    await comes(lambda: not hass.states.get("switch.heard_hub_rule_alarm_clip"), what="the old rule to go")
    streams = daemon.config["streams"]
    await hass.async_add_executor_job(daemon.stop)
    daemon.configure({**daemon.config, "streams": {"hall": streams["kitchen"]}})
    await hass.async_add_executor_job(daemon.start)
    await comes(lambda: hass.states.get("event.heard_hall_sound"), what="the new stream")
    await comes(lambda: not hass.states.get(SOUND), what="the old stream to go")
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert {device.name for device in devices} == {"heard hub", "heard hall"}
    await hass.config_entries.async_unload(entry.entry_id)
