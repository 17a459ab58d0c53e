"""What can be done from Home Assistant: switches, thresholds, buttons, actions, and the repair of a token."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

from typing import Any

import pytest
import yaml
from homeassistant.const import CONF_TOKEN, STATE_OFF, STATE_ON
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.home_assistant.component.conftest import RULES, Daemon, asked, comes, set_up

SOUND = "event.heard_kitchen_sound"


async def ask(hass: HomeAssistant, service: str, **data: Any) -> Any:
    """Call one of heard's actions and return its answer."""
    return await hass.services.async_call("heard", service, data, blocking=True, return_response=True)


@pytest.mark.parametrize(
    ("entity", "path", "key"),
    [
        ("switch.heard_kitchen_listening", "streams/kitchen", "listening"),
        ("switch.heard_hub_rule_alarm_clip", "rules/alarm_clip", "enabled"),
    ],
)
async def test_a_switch_switches_the_daemon(
    hass: HomeAssistant, entry: MockConfigEntry, steady: Daemon, *, entity: str, path: str, key: str
) -> None:
    for service, wanted in (("turn_off", STATE_OFF), ("turn_on", STATE_ON)):
        await hass.services.async_call("switch", service, {"entity_id": entity}, blocking=True)
        assert hass.states.is_state(entity, wanted)
        told = await asked(hass, steady, path)
        assert told[key] is (wanted == STATE_ON)


async def test_a_threshold_is_set(hass: HomeAssistant, entry: MockConfigEntry, steady: Daemon) -> None:
    data = {"entity_id": "number.heard_hub_threshold_dog_bark", "value": 0.87}
    await hass.services.async_call("number", "set_value", data, blocking=True)
    assert hass.states.get(data["entity_id"]).state == "0.87"
    assert (await asked(hass, steady, "profiles/dog_bark"))["threshold"] == 0.87


async def test_a_sound_is_taught_from_what_was_heard(hass: HomeAssistant, daemon: Daemon) -> None:
    """The answer is the daemon's report, and the new profile gets its entities by itself."""
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    for _ in range(3):
        newest = hass.states.get(SOUND).state
        await comes(lambda seen=newest: hass.states.get(SOUND).state != seen, what="an alarm")
    report = await ask(hass, "teach", profile="my_alarm", last_s=40, description="A beep")
    assert report
    await comes(lambda: hass.states.get("number.heard_hub_threshold_my_alarm"), what="the new profile")
    with pytest.raises(HomeAssistantError, match="attic"):
        await ask(hass, "teach", profile="my_alarm", stream="attic")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_false_alarm_is_told(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """By the event's id, or by the entity that has it; what would change is told without changing it."""
    await comes(lambda: hass.states.get(SOUND).attributes.get("id"), what="a sound")
    event = hass.states.get(SOUND).attributes["id"]
    effect = await ask(hass, "feedback", event=event, verdict="wrong", apply=False)
    assert effect
    assert await ask(hass, "feedback", entity_id=SOUND, verdict="right", apply=False)


async def test_the_button_marks_the_newest_sound(hass: HomeAssistant, daemon: Daemon) -> None:
    """Before anything was heard it says so."""
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    press = {"entity_id": "button.heard_kitchen_false_alarm"}
    if hass.states.get(SOUND).attributes.get("id") is None:
        with pytest.raises(HomeAssistantError):
            await hass.services.async_call("button", "press", press, blocking=True)
    before = (await asked(hass, daemon, "profiles/alarm_beep"))["version"]
    await comes(lambda: hass.states.get(SOUND).attributes.get("id"), what="a sound")
    await hass.services.async_call("button", "press", press, blocking=True)
    assert (await asked(hass, daemon, "profiles/alarm_beep"))["version"] != before
    await hass.config_entries.async_unload(entry.entry_id)


async def test_rules_are_tried_on_what_was_heard(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Those in force, and ones that are only written down; a mistake comes back with its line."""
    await comes(lambda: hass.states.get(SOUND).attributes.get("id"), what="a sound")
    since = dt_util.now() - dt_util.dt.timedelta(minutes=5)
    assert await ask(hass, "dry_run", since=since)
    rules = yaml.safe_dump([{**RULES[0], "id": "try"}])
    assert await ask(hass, "dry_run", since=since, source=rules)
    with pytest.raises(HomeAssistantError, match="'actions' is missing"):
        await ask(hass, "dry_run", since=since, source="- id: try\n  triggers: [{trigger: sound}]\n")


async def test_a_call_that_means_no_daemon_or_no_event_says_so(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    with pytest.raises(ServiceValidationError):
        await ask(hass, "feedback", verdict="wrong")
    with pytest.raises(ServiceValidationError):
        await ask(hass, "feedback", verdict="wrong", entity_id="event.other")
    with pytest.raises(ServiceValidationError):
        await ask(hass, "feedback", verdict="wrong", event="0" * 16, config_entry_id="none")
    with pytest.raises(HomeAssistantError, match="0000"):
        await ask(hass, "feedback", verdict="wrong", event="0" * 16)
    await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError):
        await ask(hass, "feedback", verdict="wrong", event="0" * 16)


async def test_a_token_that_may_only_read_is_repaired(
    hass: HomeAssistant, steady: Daemon, hass_client: ClientSessionGenerator
) -> None:
    """Everything shows; what acts is refused with a repair, and the repair takes another token."""
    await hass.async_add_executor_job(steady.command, "token", "list")
    token = await hass.async_add_executor_job(steady.new_token, "reader", "read")
    entry = await set_up(hass, steady, data={CONF_TOKEN: token})
    assert await async_setup_component(hass, "repairs", {})
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(
            "switch", "turn_off", {"entity_id": "switch.heard_kitchen_listening"}, blocking=True
        )
    [issue] = ir.async_get(hass).issues.values()
    assert (issue.translation_key, issue.is_fixable) == ("token_may_too_little", True)
    client = await hass_client()
    opened = await client.post(
        "/api/repairs/issues/fix", json={"handler": "heard", "issue_id": issue.issue_id}
    )
    flow = await opened.json()
    assert flow["step_id"] == "token"
    path = f"/api/repairs/issues/fix/{flow['flow_id']}"
    wrong = await (await client.post(path, json={CONF_TOKEN: "wrong"})).json()
    assert wrong["errors"] == {"base": "invalid_auth"}
    done = await (await client.post(path, json={CONF_TOKEN: steady.token})).json()
    assert done["type"] == FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.data[CONF_TOKEN] == steady.token
    assert not ir.async_get(hass).issues
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_add_executor_job(steady.command, "token", "remove", "reader")


async def test_what_only_the_owner_can_mend_becomes_a_repair(
    hass: HomeAssistant, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules that are refused show with file and line, until they are mended."""
    from custom_components.heard import coordinator

    monkeypatch.setattr(coordinator, "STATUS_EVERY", 1)
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    rules = daemon.folder / "rules.yaml"
    good = rules.read_text()
    rules.write_text("- id: x\n  triggers: [{trigger: sund}]\n")
    [issue] = await comes(lambda: list(ir.async_get(hass).issues.values()), what="the repair")
    assert issue.translation_key == "rules_refused"
    assert "rules.yaml:1" in issue.translation_placeholders["error"]
    rules.write_text(good)
    await comes(lambda: not ir.async_get(hass).issues, what="the repair to go")
    await hass.config_entries.async_unload(entry.entry_id)


async def test_a_microphone_that_is_gone_becomes_a_repair(
    hass: HomeAssistant, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has been for a while; not where its owner does not want it to listen."""
    from custom_components.heard import coordinator

    monkeypatch.setattr(coordinator, "GONE_AFTER_S", 0.0)
    nowhere = {"source": "pipe", "command": ["false"], "rate_hz": 16_000}
    daemon.configure({**daemon.config, "streams": {**daemon.config["streams"], "attic": nowhere}})
    await hass.async_add_executor_job(daemon.start)
    entry = await set_up(hass, daemon)
    [issue] = await comes(lambda: list(ir.async_get(hass).issues.values()), what="the repair")
    assert issue.translation_key == "stream_gone"
    assert issue.translation_placeholders["error"].startswith("attic: ")
    off = {"entity_id": "switch.heard_attic_listening"}
    await hass.services.async_call("switch", "turn_off", off, blocking=True)
    await comes(lambda: not ir.async_get(hass).issues, what="the repair to go")
    await hass.config_entries.async_unload(entry.entry_id)
