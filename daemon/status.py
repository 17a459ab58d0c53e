"""What a running daemon says about itself, over a Unix socket beside its state."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from daemon.state_socket import answering, connected

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_SOCKET_NAME = "status.sock"
_ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One microphone or feed."""

    stream: str
    source: str
    online: bool
    health: str
    problem: str
    """Why the stream is not online; empty when it is."""
    level_dbfs: float | None
    noise_floor_dbfs: float | None
    gate_duty: float
    """Share of the hops in which the gate was open, 0…1."""
    hops: int
    dropped_samples: int
    """At the source's rate, since the daemon started."""
    reopened: int
    """How often the source had to be opened again."""
    last_event: str
    last_event_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorStatus:
    """Something the daemon writes to: the broker, the evidence folder, the history."""

    state: str
    since: float | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttStatus(DoorStatus):
    """The broker."""

    discovery: bool
    """Whether Home Assistant is told of this node there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatus(DoorStatus):
    """What rules decided and no door has taken yet. The counts are those since the start."""

    waiting: int
    oldest_s: float | None
    """Seconds for which the oldest has waited; None: nothing waits."""
    delivered: int
    failed: int
    """A door refused them for good."""
    expired: int
    """They were not delivered while that was worth it."""
    pushed_out: int
    """Too much waited."""
    dropped: int
    """The owner took them out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The whole daemon at one moment. Times are Unix seconds."""

    node: str
    id: str
    """The same for as long as the state folder is kept, whatever the node is called."""
    version: str
    pid: int
    state_dir: str
    started_at: float
    now: float
    encoder: str
    audio_model: str
    api: str
    """Where the HTTP API is found, or why nowhere."""
    satellites: str
    profiles: int
    rules: int
    events: int
    actions: int
    streams: tuple[StreamStatus, ...]
    mqtt: MqttStatus
    evidence: DoorStatus
    history: DoorStatus
    outbox: OutboxStatus
    """`in memory` while nothing reaches the disk; actions are delivered all the same."""
    rule_files: DoorStatus
    """`refused` while what was saved last is wrong; the rules before it stay in force."""
    profile_files: DoorStatus
    """`refused` while what was changed last is wrong; the profiles before it stay in force."""


@asynccontextmanager
async def serve_status(folder: Path, status: Callable[[], Status]) -> AsyncIterator[None]:
    """Answer every connection to the socket in `folder` with the status as one JSON object."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(asdict(status())).encode() + b"\n")
        await writer.drain()

    async with answering(folder, _SOCKET_NAME, answer):
        yield


def ask_status(folder: Path) -> dict[str, Any] | None:
    """Return what the daemon on this state folder says, or None if none runs there."""
    try:
        with (
            connected(folder, _SOCKET_NAME, within_s=_ANSWER_WITHIN_S) as door,
            door.makefile("rb") as answer,
        ):
            status: dict[str, Any] = json.loads(answer.read())
            return status
    except (OSError, ValueError):
        return None
