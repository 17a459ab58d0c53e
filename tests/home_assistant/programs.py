"""The real programs, Home Assistant and heard: processes of their own that can be stopped and killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jwt
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
HEARD_PYTHON = REPOSITORY / ".venv" / "bin" / "python"

HOME_ASSISTANT_PYTHON = os.environ.get("HEARD_HOME_ASSISTANT_PYTHON", sys.executable)
"""Runs Home Assistant: the one whose harness the tests use, or a newer one from another environment."""

PATIENCE_S = 60.0
POLL_S = 0.1

_T = TypeVar("_T")

_KEY = "a key of this test alone"
_TOKEN_ID = "0123456789abcdef0123456789abcdef"
_USER = "fedcba9876543210fedcba9876543210"


def until(
    look: Callable[[], _T | None], *, what: str | Callable[[], str], patience_s: float = PATIENCE_S
) -> _T:
    """Return the first thing that is true of what `look` returns; `what` says what it was waited for."""
    deadline_s = time.monotonic() + patience_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline_s:
            awaited = what if isinstance(what, str) else what()
            raise AssertionError(f"waited {patience_s:.0f} s for {awaited}")
        time.sleep(POLL_S)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Program:
    """A process that can be started again."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self._arguments = arguments
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert self._process is None
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._arguments, cwd=REPOSITORY, stdout=output, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        """Ask it to leave, and wait until it has."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_S)
            self._process = None

    def kill(self) -> None:
        """End it without a word, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-4_000:]


class HomeAssistant(Program):
    """Home Assistant itself, with the broker set up as its owner would have."""

    def __init__(self, folder: Path, *, broker_port: int, automations: list[dict[str, Any]]) -> None:
        self.port = free_port()
        self._config = folder / "home-assistant"
        super().__init__(
            [HOME_ASSISTANT_PYTHON, "-m", "homeassistant", "--config", str(self._config), "--skip-pip"],
            folder / "home-assistant.log",
        )
        storage = self._config / ".storage"
        storage.mkdir(parents=True)
        configuration = {
            "http": {"server_host": "127.0.0.1", "server_port": self.port},
            "automation": automations,
            "input_text": {"newest": {"max": 255}},
            "counter": {"fired": {}, "removed": {}},
            "logger": {"default": "warning"},
        }
        (self._config / "configuration.yaml").write_text(yaml.safe_dump(configuration))
        (storage / "auth").write_text(json.dumps(_owner_with_a_token()))
        (storage / "core.config_entries").write_text(json.dumps(_mqtt_set_up(broker_port)))
        now = int(time.time())
        claims = {"iss": _TOKEN_ID, "iat": now - 60, "exp": now + 86_400}
        self._token = jwt.encode(claims, _KEY, algorithm="HS256")

    def start(self) -> None:
        """Start it, and return when it has started all it has."""
        super().start()
        until(self._runs, what=self.tail)

    def state(self, entity_id: str) -> str | None:
        """Return how an entity stands; None where there is none of this id."""
        return None if (found := self.entity(entity_id)) is None else str(found["state"])

    def entity(self, entity_id: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._ask(f"/api/states/{entity_id}")
        return found

    def is_in(self, entity_id: str, state: str, *, patience_s: float = PATIENCE_S) -> None:
        """Return when an entity stands so."""
        until(
            lambda: self.state(entity_id) == state,
            what=lambda: f"{entity_id} to be {state}; there are {self.entities()}",
            patience_s=patience_s,
        )

    def entities(self) -> dict[str, str]:
        """Return how every entity that MQTT brought stands."""
        told = self.template("{{ integration_entities('mqtt') | list | to_json }}")
        wanted = set(json.loads(told))
        return {
            each["entity_id"]: each["state"]
            for each in self._ask("/api/states")
            if each["entity_id"] in wanted
        }

    def template(self, text: str) -> str:
        """Return what Home Assistant makes of a template."""
        return str(self._ask("/api/template", {"template": text}, as_json=False))

    def call(self, service: str, **data: Any) -> None:
        """Call a service, and return when it is done."""
        domain, _, name = service.partition(".")
        self._ask(f"/api/services/{domain}/{name}", data)

    def picture(self, path: str) -> bytes:
        """Return what lies at a path that an entity's attribute gives."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def _runs(self) -> bool:
        try:
            found = self._ask("/api/config")
        except (urllib.error.URLError, OSError):
            return False
        return found is not None and found["state"] == "RUNNING"

    def _ask(self, path: str, body: Any = None, *, as_json: bool = True) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
        return json.loads(content) if as_json else content.decode()


class Heard(Program):
    """heard, as its own environment runs it."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self._path = folder / "heard.yaml"
        super().__init__(
            [str(HEARD_PYTHON), "-m", "daemon", "run", "--config", str(self._path)], folder / "heard.log"
        )
        self.configure(config)

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write another configuration; the next start reads it."""
        self._path.write_text(yaml.safe_dump(dict(config), allow_unicode=True))


def _owner_with_a_token() -> dict[str, Any]:
    """Return what Home Assistant keeps of an owner who has made a long-lived token."""
    owner = {
        "id": _USER,
        "group_ids": ["system-admin"],
        "is_owner": True,
        "is_active": True,
        "name": "Owner",
        "system_generated": False,
        "local_only": False,
    }
    token = {
        "id": _TOKEN_ID,
        "user_id": _USER,
        "client_id": None,
        "client_name": "tests",
        "client_icon": None,
        "token_type": "long_lived_access_token",
        "created_at": "2024-03-01T00:00:00+00:00",
        "access_token_expiration": 315_360_000.0,
        "token": "0" * 128,
        "jwt_key": _KEY,
        "last_used_at": None,
        "last_used_ip": None,
        "credential_id": None,
        "version": None,
    }
    data = {"users": [owner], "groups": [], "credentials": [], "refresh_tokens": [token]}
    return {"version": 1, "minor_version": 1, "key": "auth", "data": data}


def _mqtt_set_up(port: int) -> dict[str, Any]:
    """Return what Home Assistant keeps of a broker that was set up on its page."""
    entry = {
        "entry_id": "0123456789abcdef0123456789abcdef",
        "version": 1,
        "minor_version": 1,
        "domain": "mqtt",
        "title": "127.0.0.1",
        "data": {"broker": "127.0.0.1", "port": port, "discovery": True, "discovery_prefix": "homeassistant"},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
    }
    return {"version": 1, "minor_version": 1, "key": "core.config_entries", "data": {"entries": [entry]}}
