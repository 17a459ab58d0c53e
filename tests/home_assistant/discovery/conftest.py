"""A house of real programs: a broker, Home Assistant with an automation of its owner's, and heard."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import pytest_socket
import yaml
from paho.mqtt import publish

from benchmarks.broker import Mosquitto, find_program
from tests.home_assistant.programs import (
    HEARD_PYTHON,
    HOME_ASSISTANT_PYTHON,
    REPOSITORY,
    Heard,
    HomeAssistant,
    until,
)

AUTOMATION = """
- id: alarm
  alias: An alarm beeps in the kitchen
  mode: queued
  trigger:
    - platform: state
      entity_id: event.heard_kitchen_sound
      not_from: unavailable
  condition:
    - condition: template
      value_template: "{{ trigger.to_state.attributes.event_type == 'alarm_beep' }}"
  action:
    - service: counter.increment
      target: {entity_id: counter.fired}
    - service: input_text.set_value
      target: {entity_id: input_text.newest}
      data: {value: "{{ trigger.to_state.attributes.stream }} {{ trigger.to_state.attributes.id }}"}
- id: removed
  alias: Count the entities that Home Assistant forgets
  mode: queued
  max: 1000
  trigger:
    - platform: event
      event_type: entity_registry_updated
      event_data: {action: remove}
  action:
    - service: counter.increment
      target: {entity_id: counter.removed}
"""

RULES = """
- id: keep_alarms
  alias: Keep what beeps
  triggers: [{trigger: sound, profile: alarm_beep}]
  actions: [{action: heard.save_clip}]
"""


_END = "end/of/retained"

DIALECT = "single" if sys.executable == HOME_ASSISTANT_PYTHON else "device"
"""What the Home Assistant at hand understands: the one whose harness the tests use is older than devices."""


class House:
    """What runs, and how heard is configured. Every part can be stopped and started again."""

    def __init__(self, folder: Path, alarm: Path) -> None:
        mosquitto = find_program("mosquitto")
        assert mosquitto is not None, "on Debian: apt-get install mosquitto mosquitto-clients"
        self.folder = folder
        self.broker = Mosquitto(mosquitto, folder)
        (folder / "rules.yaml").write_text(RULES)
        self.config: dict[str, Any] = {
            "node": "hub",
            "state_dir": str(folder / "state"),
            "api": None,
            "streams": {"kitchen": {"source": "file", "path": str(alarm), "realtime": True, "loop": True}},
            "stock_profiles": ["alarm_beep", "dog_bark"],
            "rules": str(folder / "rules.yaml"),
            "mqtt": {
                "host": self.broker.host,
                "port": self.broker.port,
                "discovery": {"dialect": DIALECT},
            },
            "evidence": {"before_s": 1, "after_s": 1},
        }
        self.heard = Heard(folder, self.config)
        self.home_assistant = HomeAssistant(
            folder, broker_port=self.broker.port, automations=yaml.safe_load(AUTOMATION)
        )

    def start(self) -> None:
        """Start everything."""
        self.broker.start()
        self.heard.start()
        self.home_assistant.start()

    def end(self) -> None:
        """Leave nothing running."""
        self.heard.kill()
        self.home_assistant.kill()
        self.broker.kill()

    def command(self, *arguments: str) -> None:
        """Say something to heard on the command line."""
        whole = [str(HEARD_PYTHON), "-m", "daemon", *arguments, "--config", str(self.folder / "heard.yaml")]
        subprocess.run(whole, cwd=REPOSITORY, check=True, capture_output=True)

    def retained(self) -> dict[str, str]:
        """Return what the broker keeps."""
        with self.hearing("#") as said:
            publish.single(_END, "", qos=1, hostname=self.broker.host, port=self.broker.port)
            until(lambda: any(each.topic == _END for each in said()), what="the end of what is retained")
            return {each.topic: each.payload.decode() for each in said() if each.retain}

    @contextmanager
    def hearing(self, topic: str) -> Iterator[Callable[[], list[mqtt.MQTTMessage]]]:
        """Listen to a topic; what is given returns what has been said there so far."""
        said: list[mqtt.MQTTMessage] = []
        ready: list[int] = []
        client = mqtt.Client()
        client.on_message = lambda _client, _userdata, message: said.append(message)
        client.on_subscribe = lambda _client, _userdata, number, _qos: ready.append(number)
        client.connect(self.broker.host, self.broker.port)
        client.subscribe(topic, qos=1)

        def look() -> list[mqtt.MQTTMessage]:
            client.loop(0.05)
            return said

        until(lambda: look() or ready, what="the subscription")
        yield look
        client.disconnect()


@pytest.fixture(scope="session")
def alarm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which a smoke alarm beeps once."""
    path = tmp_path_factory.mktemp("alarm") / "alarm.wav"
    program = REPOSITORY / "tests" / "home_assistant" / "beeping_alarm.py"
    subprocess.run([str(HEARD_PYTHON), str(program), str(path)], cwd=REPOSITORY, check=True)
    return path


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, alarm: Path) -> Iterator[House]:
    """A house in which everything runs."""
    # The harness shuts sockets for each test; this one lives longer than a test.
    pytest_socket.enable_socket()
    house = House(tmp_path_factory.mktemp("house"), alarm)
    try:
        house.start()
        # What is unavailable passes over what it is called to do.
        until(
            lambda: house.home_assistant.state("switch.heard_kitchen_listening") == "on",
            what=house.heard.tail,
        )
        yield house
    finally:
        house.end()


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    """Let the tests speak to their programs."""
