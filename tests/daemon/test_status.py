from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from daemon.status import DoorStatus, MqttStatus, OutboxStatus, Status, StreamStatus, ask_status, serve_status
from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from pathlib import Path

_STATUS = Status(
    node="hub",
    id="0123456789abcdef0123456789abcdef",
    version="0.1.0",
    api="http://127.0.0.1:8765",
    pid=1,
    state_dir="/var/lib/heard",
    started_at=1.0,
    now=2.0,
    encoder="builtin-0123456789ab",
    audio_model="none",
    satellites="not configured",
    profiles=23,
    rules=2,
    events=5,
    actions=1,
    streams=(
        StreamStatus(
            stream="kitchen",
            source="microphone",
            online=True,
            health="ok",
            problem="",
            level_dbfs=-50.0,
            noise_floor_dbfs=None,
            gate_duty=0.1,
            hops=100,
            dropped_samples=0,
            reopened=0,
            last_event="cough",
            last_event_at=1.5,
        ),
    ),
    mqtt=MqttStatus(state="connected", since=1.0, error="", discovery=True),
    evidence=DoorStatus(state="ok", since=None, error=""),
    history=DoorStatus(state="ok", since=None, error=""),
    outbox=OutboxStatus(
        state="ok",
        since=None,
        error="",
        waiting=2,
        oldest_s=0.5,
        delivered=9,
        failed=1,
        expired=1,
        pushed_out=0,
        dropped=0,
    ),
    rule_files=DoorStatus(state="ok", since=None, error=""),
    profile_files=DoorStatus(state="ok", since=None, error=""),
)


async def _ask(folder: Path) -> object:
    return await asyncio.to_thread(ask_status, folder)


async def test_whoever_asks_gets_the_status_of_now(tmp_path: Path) -> None:
    """Each question is answered with all that the daemon knows, as plain values."""
    async with serve_status(tmp_path, lambda: _STATUS):
        answers = [await _ask(tmp_path) for _ in range(3)]

    expected = asdict(_STATUS)
    expected["streams"] = list(expected["streams"])
    assert answers == [expected] * 3


async def test_nobody_answers_where_no_daemon_runs(tmp_path: Path) -> None:
    """Without a daemon, before or after it ran, there is no status; that is not an error."""
    assert await _ask(tmp_path) is None
    async with serve_status(tmp_path, lambda: _STATUS):
        pass
    assert await _ask(tmp_path) is None
    assert not (tmp_path / "status.sock").exists()


async def test_a_socket_left_by_a_killed_daemon_is_no_obstacle(tmp_path: Path) -> None:
    """After a crash the next start takes the place over."""
    (tmp_path / "status.sock").touch()
    assert await _ask(tmp_path) is None
    async with serve_status(tmp_path, lambda: _STATUS):
        assert await _ask(tmp_path) is not None


async def test_a_deep_state_folder_works_too(tmp_path: Path) -> None:
    """A Unix socket's name holds 107 bytes; the folder may be longer than that."""
    folder = tmp_path / ("deep" * 20) / ("deeper" * 20)
    folder.mkdir(parents=True)
    async with serve_status(folder, lambda: _STATUS):
        assert await _ask(folder) is not None


async def test_a_folder_that_takes_no_socket_is_the_owners_to_mend(tmp_path: Path) -> None:
    """A state folder that is gone is named in the error."""
    with pytest.raises(StateFolderError, match=r"status\.sock"):
        async with serve_status(tmp_path / "gone", lambda: _STATUS):
            pass
