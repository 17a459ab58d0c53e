"""The daemon tells Home Assistant what it has, and what it has no more."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.config import Config
from daemon.history import History
from daemon.home_assistant_discovery import house_of
from daemon.installation import installation_id
from daemon.mqtt_requests import _as_request, newest_event
from daemon.switches import Switches
from foundation.errors import OwnerError
from tests.daemon.home import configuration, file_stream, parts, recording
from tests.daemon.test_app import run, running, with_rules
from tests.integrations.test_mqtt import listening, retained
from tests.integrations.test_topics import sound

if TYPE_CHECKING:
    from benchmarks.broker import Mosquitto

RULE = """
- id: {id}
  triggers: [{{trigger: sound, profile: whistle}}]
  actions:
    - if: [{{condition: template, value_template: "{{{{ true }}}}"}}]
      then: [{{action: heard.emit, data: {{event: {id}_happened}}}}]
"""


def house(folder: Path, mosquitto: Mosquitto, *streams: str, **more: Any) -> Config:
    """Return a daemon that plays the same recording on each stream."""
    path = str(recording(folder / "yard.wav"))
    mqtt = {"host": mosquitto.host, "port": mosquitto.port, **more.pop("mqtt", {})}
    playing = {stream: file_stream(Path(path), **more) for stream in streams}
    return configuration(folder, playing, mqtt=mqtt)


async def test_home_assistant_is_told_and_untold(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A stream that is there in one run and gone in the next leaves nothing."""
    config = house(tmp_path, mosquitto, "yard", "Küche")
    await run(config, with_rules(config, tmp_path / "rules.yaml"))
    node = f"homeassistant/device/heard_{installation_id(config.state_dir)}"
    told = await retained(mosquitto)
    yard = json.loads(told[f"{node}_yard/config"])
    assert yard["components"]["sound"]["event_types"] == ["whistle"]
    assert yard["components"]["profile_whistle"]["state_topic"] == "heard/hub/yard/whistle/state"
    assert "rule_on_whistle" in json.loads(told[f"{node}/config"])["components"]

    await run(house(tmp_path, mosquitto, "yard"), parts())
    left = await retained(mosquitto)
    assert {topic for topic in left if "Kuche" in topic} == set()
    assert any("_yard/config" in topic for topic in left)

    await run(house(tmp_path, mosquitto, "yard", mqtt={"discovery": {"dialect": "off"}}), parts())
    assert not [topic for topic in await retained(mosquitto) if topic.startswith("homeassistant/")]


async def test_the_picture_of_the_newest_clip_is_shown(tmp_path: Path, mosquitto: Mosquitto) -> None:
    config = house(tmp_path, mosquitto, "yard", realtime=True, loop=True)
    evidence = config.evidence.model_copy(update={"save": "all", "before_s": 0.5, "after_s": 0.5})
    config = config.model_copy(update={"evidence": evidence})
    async with listening(mosquitto) as listener, running(config):
        await listener.until(lambda _: bool(listener.payloads("heard/hub/yard/spectrogram")))
        [picture, *_] = listener.payloads("heard/hub/yard/spectrogram")
    assert base64.b64decode(picture).startswith(b"\x89PNG")


async def test_rules_that_are_saved_are_told_of(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A rule gets its switch, and what it emits may come as an event, without a restart."""
    config = house(
        tmp_path, mosquitto, "yard", realtime=True, loop=True, mqtt={"discovery": {"dialect": "single"}}
    )
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE.format(id="one"))
    config = config.model_copy(update={"rules": rules})
    async with listening(mosquitto) as listener, running(config):
        begin = "homeassistant/switch/heard_"
        await listener.until(
            lambda said: any(topic.startswith(begin) and "rule_one/" in topic for topic, *_ in said)
        )
        rules.write_text(RULE.format(id="other"))
        await listener.until(
            lambda said: any("rule_other/config" in topic and text for topic, text, _ in said)
        )
        await listener.until(
            lambda said: any("rule_one/config" in topic and not text for topic, text, _ in said)
        )
        await listener.until(
            lambda said: any(
                topic.endswith("/sound/config")
                and json.loads(text)["event_types"] == ["other_happened", "whistle"]
                for topic, text, _ in said
            )
        )


def test_cars_hear_what_others_do_not(tmp_path: Path) -> None:
    """Voices inside and outside are told of for the stream that has such an ear, and have no threshold."""
    streams = {
        "car": {**file_stream(tmp_path / "a.wav"), "cabin": {}},
        "hall": file_stream(tmp_path / "a.wav"),
    }
    recording(tmp_path / "a.wav")
    config = configuration(tmp_path, streams, mqtt={"host": "localhost"})
    profiles = parts().profiles
    [whistle] = profiles
    of = house_of(config, "1", (replace(whistle, name="outside_speech"),), profiles, ())
    assert [[each.name for each in ear.sounds] for ear in of.ears] == [
        ["whistle", "outside_speech"],
        ["whistle"],
    ]
    assert of.thresholds == ("whistle",)


async def test_the_newest_event_of_a_stream_is_one_that_can_be_marked(tmp_path: Path) -> None:
    switches = Switches(tmp_path / "switches.json", streams=["kitchen"])
    [whistle] = parts().profiles
    switches.profiles_are([replace(whistle, name=sound().profile)])
    heard = sound()
    async with History(tmp_path / "history.sqlite") as history:
        history.record(replace(heard, id="older", onset_s=heard.onset_s - 5))
        history.record(heard)
        history.record(replace(heard, id="made up", profile="intruder", onset_s=heard.onset_s + 5))
        history.record(replace(heard, id="elsewhere", stream="hall", onset_s=heard.onset_s + 5))
        await history.flush()
        assert await newest_event(history, switches, heard.stream) == heard.id
        with pytest.raises(OwnerError, match="nothing was heard on 'attic'"):
            await newest_event(history, switches, "attic")


def test_what_is_taught_without_a_name_gets_one() -> None:
    request = _as_request(b'{"stream": "hall", "last_s": 30}', teaching=True)
    assert request["name"].startswith("taught_2")
    assert _as_request(b'{"profile": "bell"}', teaching=True)["name"] == "bell"
