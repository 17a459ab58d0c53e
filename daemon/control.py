"""The door for commands to the running daemon: JSON lines over a Unix socket beside its state.

A connection carries one request, and lines of answer: any number of `{"cue": …}`, then one `{"done": …}` or
one `{"error": text, "owner": bool}`.
"""

from __future__ import annotations

import json
import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from daemon.learning.requests import (
    REQUEST,
    AskReport,
    Enroll,
    Guided,
    KeepPromise,
    MarkEvent,
    Missed,
    Request,
    Undo,
)
from daemon.state_socket import answering, connected
from foundation.errors import HeardError, OwnerError, StateFolderError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
    from pathlib import Path

    from daemon.learning.desk import TeachingDesk

SOCKET_NAME = "control.sock"
ANSWER_WITHIN_S = 180.0

_log = logging.getLogger(__name__)


async def answers(desk: TeachingDesk, request: Request) -> AsyncIterator[dict[str, Any]]:
    """Yield the lines that answer a request. Raises HeardError."""
    match request:
        case Guided():
            last: dict[str, Any] | None = None
            async for cue in desk.guide(request):
                if last is not None:
                    yield {"cue": last}
                last = cue
            yield {"done": last}
        case Enroll():
            yield {"done": await desk.enroll(request)}
        case MarkEvent():
            yield {"done": await desk.mark(request.event, request.verdict, apply=request.apply)}
        case Missed():
            yield {"done": await desk.missed(request)}
        case Undo():
            yield {"done": await desk.undo(request.name)}
        case KeepPromise():
            yield {"done": await desk.promise(request.name, request.false_alarms_per_day / 24.0)}
        case AskReport():
            yield {"done": await desk.report(request.name)}


@asynccontextmanager
async def serve_control(folder: Path, desk: TeachingDesk) -> AsyncIterator[None]:
    """Answer requests at the socket in `folder` for as long as this lasts; only its owner may ask."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Closed at once when the asker goes, so that nobody is guided any more.
        async with aclosing(_served(reader, desk)) as lines:
            async for line in lines:
                writer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
                await writer.drain()

    async with answering(folder, SOCKET_NAME, answer):
        yield


async def _served(reader: asyncio.StreamReader, desk: TeachingDesk) -> AsyncGenerator[dict[str, Any], None]:
    try:
        request = read_request(await reader.readline())
        async for line in answers(desk, request):
            yield line
    except HeardError as error:
        yield {"error": str(error), "owner": isinstance(error, OwnerError)}
    except ValueError as error:
        yield {"error": f"the request is too long: {error}", "owner": True}
    except Exception as error:  # noqa: BLE001 - a fault in one request must not end the daemon
        _log.exception("a request failed")
        yield {"error": f"{type(error).__name__}: {error}", "owner": False}


def read_request(content: bytes | str) -> Request:
    """Read one request of JSON. Raises OwnerError with what is wrong with it."""
    try:
        return REQUEST.validate_json(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'][1:]) or 'the request'}: {fault['msg']}"
            for fault in error.errors(include_url=False)
        )
        raise OwnerError(f"the request cannot be understood: {faults}") from error


def ask(
    folder: Path, request: dict[str, Any], on_cue: Callable[[dict[str, Any]], None] | None = None
) -> dict[str, Any] | None:
    """Ask the daemon on this state folder; return its answer, or None if none runs there.

    Raises OwnerError or HeardError with what the daemon said, StateFolderError where it may not be asked.
    """
    try:
        with connected(folder, SOCKET_NAME, within_s=ANSWER_WITHIN_S) as door:
            door.sendall(json.dumps(request).encode() + b"\n")
            with door.makefile("rb") as lines:
                return _result(lines, on_cue)
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def daemon_runs(folder: Path) -> bool:
    """Tell whether a daemon takes commands on this state folder."""
    try:
        with connected(folder, SOCKET_NAME, within_s=1.0):
            return True
    except (OSError, StateFolderError):
        return False


def _result(lines: Iterator[bytes], on_cue: Callable[[dict[str, Any]], None] | None) -> dict[str, Any]:
    for line in lines:
        answer = json.loads(line)
        if "cue" in answer:
            if on_cue is not None:
                on_cue(answer["cue"])
        elif "error" in answer:
            raise (OwnerError if answer.get("owner") else HeardError)(answer["error"])
        else:
            done: dict[str, Any] = answer["done"]
            return done
    raise HeardError("the daemon stopped before it had answered")
