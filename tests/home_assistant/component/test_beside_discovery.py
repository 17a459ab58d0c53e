"""The component and MQTT discovery together, in Home Assistant, heard and a broker as they are installed."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from tests.home_assistant.discovery.conftest import House
from tests.home_assistant.programs import HEARD_PYTHON, REPOSITORY, free_port, until

INSTALLATION = "0123456789abcdef" * 2
SOUND = "event.heard_kitchen_sound"


class WholeHouse(House):
    """A house in which the component is installed and set up beside the broker."""

    def __init__(self, folder: Path, alarm: Path) -> None:
        super().__init__(folder, alarm)
        port = free_port()
        self.config["api"] = {"port": port, "require_token": True}
        self.heard.configure(self.config)
        (folder / "state").mkdir()
        (folder / "state" / "installation_id").write_text(INSTALLATION)
        command = [str(HEARD_PYTHON), "-m", "daemon", "token", "add", "home-assistant", "--scope", "act"]
        told = subprocess.run(
            [*command, "--json", "--config", str(folder / "heard.yaml")],
            cwd=REPOSITORY, check=True, capture_output=True, text=True,
        )  # fmt: skip
        self.install()
        self.token = str(json.loads(told.stdout)["token"])
        self._set_up(f"http://127.0.0.1:{port}")

    def install(self) -> None:
        """Put the component where Home Assistant finds it, as its owner would."""
        command = [str(HEARD_PYTHON), "-m", "daemon", "ha", "install", "--config", str(self.place)]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)

    @property
    def place(self) -> Path:
        """Home Assistant's configuration folder."""
        return self.folder / "home-assistant"

    def brought_by(self, integration: str) -> set[str]:
        """Return the ids of the entities that an integration brings."""
        told = self.home_assistant.template(
            f"{{{{ integration_entities('{integration}') | list | to_json }}}}"
        )
        return set(json.loads(told))

    def fetches(self, path: str, begin: bytes) -> bool:
        """Say whether Home Assistant hands out something that begins so, to who is signed in."""
        there = self.home_assistant
        headers = {"Authorization": f"Bearer {there._token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{there.port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return bool(answer.read().startswith(begin))
        except urllib.error.HTTPError:
            return False

    def _set_up(self, url: str) -> None:
        """Write down what Home Assistant keeps of a heard that was set up on its page."""
        path = self.place / ".storage" / "core.config_entries"
        kept: dict[str, Any] = json.loads(path.read_text())
        broker = kept["data"]["entries"][0]
        heard = {
            **broker,
            "entry_id": "fedcba9876543210" * 2,
            "domain": "heard",
            "title": "hub",
            "data": {"url": url, "token": self.token},
            "unique_id": INSTALLATION,
        }
        kept["data"]["entries"].append(heard)
        path.write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, alarm: Path) -> Iterator[WholeHouse]:
    pytest_socket.enable_socket()
    house = WholeHouse(tmp_path_factory.mktemp("house"), alarm)
    try:
        house.start()
        yield house
    finally:
        house.end()


@pytest.mark.timeout(300)
def test_each_thing_is_there_once_whoever_brings_it(house: WholeHouse, socket_enabled: None) -> None:
    """With discovery its entities alone; without it the component's, under the ids that automations know."""
    there = house.home_assistant
    until(lambda: SOUND in house.brought_by("mqtt"), what=house.heard.tail)
    assert house.brought_by("heard") == set()

    event = until(lambda: (there.entity(SOUND) or {}).get("attributes", {}).get("id"), what=there.tail)
    there.call("heard.feedback", event=event, verdict="right", apply=False)
    until(lambda: house.fetches(f"/api/heard/evidence/{event}/clip.flac", b"fLaC"), what=there.tail)
    of_mqtt = {each for each in house.brought_by("mqtt") if "kitchen" in each}

    house.heard.stop()
    house.heard.configure({**house.config, "mqtt": {**house.config["mqtt"], "discovery": {"dialect": "off"}}})
    house.heard.start()
    until(lambda: SOUND in house.brought_by("heard"), what=there.tail)
    assert house.brought_by("mqtt") == set()
    of_heard = {each for each in house.brought_by("heard") if "kitchen" in each}
    assert of_heard == of_mqtt
    there.is_in("switch.heard_kitchen_listening", "on")
    said = there.log.read_text()
    assert house.token not in said + house.heard.log.read_text()
    # Neither errors nor what Home Assistant says of components that use what it will take away.
    assert "custom_components.heard" not in said
    assert "custom integration 'heard'" not in said
