"""What is secret reaches those whom it is meant for, and nobody else: no log, no status, no file."""

from __future__ import annotations

import asyncio
import json
import logging
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from daemon.app import App
from daemon.outbox.file import read_waiting
from daemon.parts import load_rule_set
from daemon.status import ask_status
from tests.daemon.home import Witness, configuration, file_stream, parts, recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from benchmarks.broker import Mosquitto
    from daemon.config import Config
    from daemon.parts import Parts

TOKEN, KEY, PASSWORD, IN_THE_URL = "token-7f3a", "key-91bc", "password-52de", "path-c04d"
RULES = """
- id: on_whistle
  triggers: [{{trigger: sound, profile: whistle}}]
  actions:
    - {{action: webhook.post, data: {{url: "{url}/{path}", payload: "{path}"}}}}
    - {{action: light.turn_on, target: {{entity_id: light.desk}}}}
    - {{action: notify.phone, data: {{message: whistle}}}}
    - {{action: mqtt.publish, data: {{topic: home/whistle, payload: heard}}}}
"""
PATIENCE_S = 20.0


class World:
    """Takes what arrives; at first Home Assistant is broken, and the webhook says no for good."""

    def __init__(self) -> None:
        self.broken = True
        self.heard: list[tuple[str, str]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == f"/{IN_THE_URL}":
            self.heard.append(("webhook", request.headers["X-Heard-Signature"]))
            return web.Response(status=403, text="no")
        self.heard.append((request.path, request.headers["Authorization"]))
        if self.broken:
            return web.Response(status=500, text=f"what was said: {request.headers['Authorization'][:3]}")
        return web.json_response([])

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", self.answer)
        runner = web.AppRunner(app, access_log=None)  # it would tell what it was asked
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()


def kept(folder: Path) -> dict[str, bytes]:
    """Return every file of the state folder."""
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_secrets_are_found_nowhere(
    tmp_path: Path, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether doors work or fail, with every log line there is; only the outbox itself knows addresses."""
    caplog.set_level(logging.DEBUG)
    world, witness = World(), Witness()
    async with world.there():
        config = secretive(tmp_path, world.url, mosquitto)
        app = App(config, decided(tmp_path, world.url), observers=[witness])
        running = asyncio.create_task(app.run())
        async with asyncio.timeout(PATIENCE_S):
            while len(world.heard) < 5:  # noqa: ASYNC110 - a server has no event to wait for
                await asyncio.sleep(0.02)
            status = await asyncio.to_thread(ask_status, config.state_dir)
            world.broken = False
            while sum(failure is None for _, failure in witness.actions) < 3:  # noqa: ASYNC110 - nor has an observer
                await asyncio.sleep(0.02)
        app.stop()
        await running
    assert {name for name, _ in world.heard} == {
        "webhook", "/api/services/light/turn_on", "/api/services/notify/phone"
    }  # fmt: skip
    files = kept(config.state_dir)
    told = caplog.text + json.dumps(status) + "".join(str(failure) for _, failure in witness.actions)
    for secret in (TOKEN, KEY, PASSWORD):
        assert secret not in told
        assert [name for name, content in files.items() if secret.encode() in content] == []
    assert IN_THE_URL not in told
    assert "http" in told, "there was something to search"
    holding = {name for name, content in files.items() if IN_THE_URL.encode() in content}
    assert holding <= {"outbox.sqlite", "outbox.sqlite-wal"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in config.state_dir.glob("outbox.sqlite*")}
    assert set(modes.values()) == {0o600}
    assert read_waiting(config.state_dir / "outbox.sqlite") == []


def secretive(folder: Path, url: str, mosquitto: Mosquitto) -> Config:
    """Return a configuration with a secret for every door."""
    for name, secret in (("token", TOKEN), ("key", KEY), ("password", PASSWORD)):
        (folder / name).write_text(f"{secret}\n")
    return configuration(
        folder,
        {"yard": file_stream(recording(folder / "yard.wav"), realtime=True, loop=True)},
        mqtt={
            "host": mosquitto.host,
            "port": mosquitto.port,
            "username": "heard",
            "password_file": str(folder / "password"),
        },
        home_assistant={"url": url, "token_file": str(folder / "token")},
        webhooks={"secret_file": str(folder / "key"), "allow_private": True},
    )


def decided(folder: Path, url: str) -> Parts:
    """Return what decides: one whistle goes through all doors."""
    rules = folder / "rules.yaml"
    rules.write_text(RULES.format(url=url, path=IN_THE_URL))
    profiles = parts().profiles
    config = configuration(folder, {"yard": {"source": "file", "path": str(folder / "yard.wav")}})
    return parts(load_rule_set(config, profiles, rules))
