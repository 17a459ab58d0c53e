"""The outbox in a whole daemon: what a rule decided outlives it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import soundfile

from daemon.app import App
from daemon.history import History
from daemon.outbox import lanes
from daemon.outbox.file import read_waiting
from daemon.parts import load_rule_set
from daemon.status import ask_status
from detectors.types import DETECTION_RATE_HZ
from tests.daemon.home import configuration, file_stream, hiss, parts, recording
from tests.daemon.test_app import run
from tests.integrations.test_mqtt import listening

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from benchmarks.broker import Mosquitto

RULES = """
- id: on_whistle
  triggers: [{trigger: sound, profile: whistle}]
  actions:
    - action: mqtt.publish
      data: {topic: home/whistle, payload: "{{ trigger.event_id }}"}
"""
PATIENCE_S = 20.0


async def test_what_a_rule_decided_without_a_broker_arrives_after_a_restart(
    tmp_path: Path, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status shows what waits; the sound of it is in the history even if that was written too late."""
    monkeypatch.setattr(lanes, "STOP_PATIENCE_S", 0.2)
    mosquitto.stop()
    (tmp_path / "rules.yaml").write_text(RULES)
    soundfile.write(tmp_path / "quiet.wav", hiss(1.0), DETECTION_RATE_HZ)
    broker = {"host": mosquitto.host, "port": mosquitto.port}
    first = configuration(
        tmp_path,
        {"yard": file_stream(recording(tmp_path / "yard.wav"), realtime=True, loop=True)},
        mqtt=broker,
    )
    decided = parts(load_rule_set(first, parts().profiles, tmp_path / "rules.yaml"))
    app = App(first, decided)
    running = asyncio.create_task(app.run())
    file = first.state_dir / "outbox.sqlite"
    async with asyncio.timeout(PATIENCE_S):
        while not read_waiting(file):  # noqa: ASYNC110 - a file has no event to wait for
            await asyncio.sleep(0.05)
    status = await asyncio.to_thread(ask_status, first.state_dir)
    app.stop()
    await running
    assert status is not None
    assert (status["outbox"]["waiting"], status["outbox"]["state"]) == (1, "ok")
    left = [each.id for each in read_waiting(file)]
    for name in ("history.sqlite", "history.sqlite-wal", "history.sqlite-shm"):
        (first.state_dir / name).unlink(missing_ok=True)

    mosquitto.start()
    second = configuration(tmp_path, {"yard": file_stream(tmp_path / "quiet.wav")}, mqtt=broker)
    async with listening(mosquitto) as listener:
        await run(second, decided)
        await listener.until_payload("heard/hub/available", "stopped")
    async with History(first.state_dir / "history.sqlite") as history:
        known = [event.id for event in await history.newest()]
    assert left
    assert sorted(listener.payloads("home/whistle")) == sorted(known)
    assert read_waiting(file) == []
