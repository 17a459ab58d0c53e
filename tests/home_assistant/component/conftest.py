"""What the component's tests share: a real heard that hears an alarm every few seconds."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_socket
import yaml
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.home_assistant.programs import HEARD_PYTHON, REPOSITORY, Heard, free_port, until

sys.path.insert(0, str(REPOSITORY / "integrations" / "home_assistant"))
import custom_components

# The harness has a package of this name, which hides every other one.
custom_components.__path__.append(str(REPOSITORY / "integrations" / "home_assistant" / "custom_components"))

PATIENCE_S = 40.0
START_WITHIN_S = 80.0
"""On a machine that does much else."""

RULES = [
    {
        "id": "alarm_clip",
        "alias": "Keep alarms",
        "triggers": [{"trigger": "sound", "profile": "alarm_beep"}],
        "actions": [{"action": "heard.save_clip"}],
    }
]


class Daemon(Heard):
    """heard with one stream, on which an alarm beeps every few seconds, and an API that wants a token."""

    def __init__(self, folder: Path, alarm: Path, **config: Any) -> None:
        self.port = free_port()
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "rules.yaml").write_text(yaml.safe_dump(RULES))
        self.config = {
            "node": "hub",
            "state_dir": str(folder / "state"),
            "streams": {"kitchen": {"source": "file", "path": str(alarm), "realtime": True, "loop": True}},
            "rules": str(folder / "rules.yaml"),
            "evidence": {"before_s": 1, "after_s": 1},
            "api": {"port": self.port, "require_token": True},
            **config,
        }
        super().__init__(folder, self.config)
        self.token = self.new_token("home-assistant", "act")

    def new_token(self, name: str, scope: str) -> str:
        """Make a token, as its owner would."""
        told = self.command("token", "add", name, "--scope", scope, "--json")
        return str(json.loads(told)["token"])

    def command(self, *arguments: str) -> str:
        """Return what a command of heard says."""
        whole = [str(HEARD_PYTHON), "-m", "daemon", *arguments, "--config", str(self.folder / "heard.yaml")]
        run = subprocess.run(whole, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def start(self) -> None:
        """Start it, and return when it answers."""
        super().start()
        try:
            until(
                lambda: any(stream["online"] for stream in self.ask("streams")["streams"]),
                what="heard to listen",
                patience_s=START_WITHIN_S,
            )
        except AssertionError as error:
            raise AssertionError(self.tail()) from error

    def ask(self, path: str) -> Any:
        """Return what the API answers; nothing while it does not."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError:
            raise
        except OSError:
            return {"streams": [{"online": False}]}


@pytest.fixture(scope="session")
def alarm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording in which a smoke alarm beeps once."""
    path = tmp_path_factory.mktemp("alarm") / "alarm.wav"
    program = REPOSITORY / "tests" / "home_assistant" / "beeping_alarm.py"
    run = subprocess.run(
        [str(HEARD_PYTHON), str(program), str(path)],
        cwd=REPOSITORY,
        env={"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return path


@pytest.fixture(scope="session")
def steady(tmp_path_factory: pytest.TempPathFactory, alarm: Path) -> Iterator[Daemon]:
    """A daemon that all tests share: none of them may stop it, or change what others look at."""
    # The harness shuts sockets for each test; this one lives longer than a test.
    pytest_socket.enable_socket()
    daemon = Daemon(tmp_path_factory.mktemp("heard"), alarm)
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def daemon(tmp_path: Path, alarm: Path, socket_enabled: None) -> Iterator[Daemon]:
    """A daemon of this test's own, not started yet."""
    daemon = Daemon(tmp_path, alarm)
    yield daemon
    daemon.stop()


@pytest.fixture(autouse=True)
def _component_is_found(
    enable_custom_integrations: None, socket_enabled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let Home Assistant find the component, and come back to a daemon at once."""
    from custom_components.heard import coordinator

    monkeypatch.setattr(coordinator, "LONGEST_PAUSE_S", 0.3)


async def set_up(hass: HomeAssistant, daemon: Daemon, **changed: Any) -> MockConfigEntry:
    """Return an entry for a daemon, as the flow would have made it, set up."""
    assert await async_setup_component(hass, "http", {"http": {"server_port": free_port()}})
    status = await asked(hass, daemon, "status")
    entry = MockConfigEntry(
        domain="heard",
        title="hub",
        unique_id=status["id"],
        data={CONF_URL: daemon.url, CONF_TOKEN: daemon.token, **changed.pop("data", {})},
        **changed,
    )
    entry.add_to_hass(hass)
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
async def entry(hass: HomeAssistant, steady: Daemon) -> AsyncIterator[MockConfigEntry]:
    """The daemon that all share, set up; and let go at the end."""
    entry = await set_up(hass, steady)
    assert entry.state is ConfigEntryState.LOADED
    yield entry
    await hass.config_entries.async_unload(entry.entry_id)
    await hass.async_block_till_done()


async def asked(hass: HomeAssistant, daemon: Daemon, path: str) -> Any:
    """Return what the API answers, without holding Home Assistant up."""
    return await hass.async_add_executor_job(daemon.ask, path)


async def comes(look: Callable[[], Any], *, what: str, patience_s: float = PATIENCE_S) -> Any:
    """Return the first thing that is true of what `look` returns, while Home Assistant goes on."""
    try:
        async with asyncio.timeout(patience_s):
            while not (seen := look()):  # noqa: ASYNC110 - states have no event of their own to wait for
                await asyncio.sleep(0.02)
            return seen
    except TimeoutError:
        raise AssertionError(f"waited {patience_s:.0f} s for {what}") from None
