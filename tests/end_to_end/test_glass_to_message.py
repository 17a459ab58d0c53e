"""A sound goes in, an action comes out: `heard run` as an owner would start it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from benchmarks.running import RunningDaemon, running_daemon
from tests.end_to_end.glass import RULES, breaking_glass, likeness
from tests.integrations import test_mqtt
from tests.integrations.test_mqtt import Listener, listening, retained

if TYPE_CHECKING:
    from benchmarks.broker import Mosquitto
    from tests.virtual_microphone import VirtualMicrophone

START_TIMEOUT_S = 60.0
ALARM = "home/alarm/glass"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a whole round of recordings: not every one of them need be heard."""
    monkeypatch.setattr(test_mqtt, "PATIENCE_S", 60.0)


def settings(folder: Path, mosquitto: Mosquitto, stream: dict[str, Any]) -> dict[str, Any]:
    rules = folder / "rules.yaml"
    rules.write_text(RULES)
    return {
        "node": "hub",
        "streams": {"kitchen": stream},
        "rules": str(rules),
        "mqtt": {"host": mosquitto.host, "port": mosquitto.port},
        "evidence": {"after_s": 2},
    }


async def listens(daemon: RunningDaemon) -> None:
    """Wait until the stream delivers audio and the broker answers."""

    def up(status: dict[str, Any]) -> bool:
        return bool(status["streams"][0]["hops"]) and status["mqtt"]["state"] == "connected"

    await asyncio.to_thread(daemon.wait_for, up, timeout_s=START_TIMEOUT_S)


async def stop(daemon: RunningDaemon) -> int:
    """End the daemon as a service manager would; return its exit code."""
    daemon.process.terminate()
    return await asyncio.to_thread(daemon.process.wait, 30)


def clip_of(event_id: str, evidence: Path) -> Path:
    """Return the clip whose sidecar names the event."""
    clips = evidence.rglob("*.flac")
    [clip] = [path for path in clips if event_id in path.with_suffix(".json").read_text()]
    return clip


async def check_what_came_of_it(listener: Listener, played: Path, evidence: Path) -> None:
    """The alarm came, with the event on its topic and a clip that holds the sound."""
    alarm = json.loads(listener.payloads(ALARM)[0])
    assert alarm["stream"] == "kitchen"
    events = [json.loads(payload) for payload in listener.payloads("heard/hub/kitchen/event")]
    [started] = [event for event in events if event["clip"] == alarm["clip"] and event["phase"] == "started"]
    assert started["event_type"] == "glass_breaking"
    assert urlsplit(alarm["clip"]).path == f"/api/v1/evidence/{started['id']}/clip.flac"
    clip = clip_of(started["id"], evidence)
    assert await asyncio.to_thread(likeness, clip, played) > 0.8
    assert clip.with_suffix(".png").is_file()


async def test_a_recording_in_real_time_becomes_message_and_clip(
    tmp_path: Path, shared: Path, mosquitto: Mosquitto
) -> None:
    """A file plays in real time; SIGTERM in the middle of it ends every state and exits with 0."""
    played = breaking_glass(shared, tmp_path / "glass.wav")
    stream = {"source": "file", "path": str(played), "realtime": True, "loop": True}
    async with listening(mosquitto) as listener:
        with running_daemon(tmp_path, settings(tmp_path, mosquitto, stream)) as daemon:
            await listens(daemon)
            await listener.until(lambda _: bool(listener.payloads(ALARM)))
            assert await stop(daemon) == 0
        await listener.until_payload("heard/hub/available", "stopped")
        await check_what_came_of_it(listener, played, tmp_path)
    told = await retained(mosquitto)
    assert told["heard/hub/kitchen/glass_breaking/state"] == "OFF"
    assert told["heard/hub/kitchen/status"] == "offline"


async def test_a_microphone_hears_a_recording(
    tmp_path: Path, shared: Path, mosquitto: Mosquitto, virtual_microphone: VirtualMicrophone
) -> None:
    """What sounds in front of the default microphone arrives at the broker, and on the disk."""
    played = breaking_glass(shared, tmp_path / "glass.wav")
    async with listening(mosquitto) as listener:
        config = settings(tmp_path, mosquitto, {"source": "microphone"})
        with running_daemon(tmp_path, config, environment=virtual_microphone.environment) as daemon:
            await listens(daemon)
            await asyncio.to_thread(virtual_microphone.play, played)
            await listener.until(lambda _: bool(listener.payloads(ALARM)))
            assert await stop(daemon) == 0
        await check_what_came_of_it(listener, played, tmp_path)
