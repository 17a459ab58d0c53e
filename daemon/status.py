"""What a running daemon says about itself, over a Unix socket beside its state."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
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


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name for `path` that fits a Unix socket's 107 bytes, however deep the folder lies."""
    if len(os.fsencode(path)) < 108:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


@asynccontextmanager
async def serve_status(folder: Path, status: Callable[[], Status]) -> AsyncIterator[None]:
    """Answer every connection to the socket in `folder` with the status as one JSON object."""
    path = folder / _SOCKET_NAME

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(json.dumps(asdict(status())).encode() + b"\n")
            await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    # The state lock says that whoever left a socket here is gone.
    path.unlink(missing_ok=True)
    try:
        with reachable(path) as name:
            server = await asyncio.start_unix_server(answer, name)
    except OSError as error:
        raise StateFolderError(f"No socket for `heard status` could be made at {path}: {error}.") from error
    try:
        async with server:
            yield
    finally:
        path.unlink(missing_ok=True)


def ask_status(folder: Path) -> dict[str, Any] | None:
    """Return what the daemon on this state folder says, or None if none runs there."""
    try:
        with reachable(folder / _SOCKET_NAME) as name, socket.socket(socket.AF_UNIX) as door:
            door.settimeout(_ANSWER_WITHIN_S)
            door.connect(name)
            with door.makefile("rb") as answer:
                status: dict[str, Any] = json.loads(answer.read())
                return status
    except PermissionError:
        raise StateFolderError(
            f"The daemon's socket in {folder} is not open to this user: ask as the daemon's user or as root."
        ) from None
    except TimeoutError:
        raise StateFolderError(
            f"The daemon of {folder} did not answer within {_ANSWER_WITHIN_S:.0f} s; its log may say why."
        ) from None
    except (OSError, ValueError):
        return None
