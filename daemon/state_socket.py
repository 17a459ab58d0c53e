"""Unix sockets in the state folder: how commands reach the running daemon."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

MAX_LINE_BYTES = 100_000


@asynccontextmanager
async def answering(
    folder: Path, name: str, answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> AsyncIterator[None]:
    """Let `answer` speak to everybody who connects to the socket `name`, for as long as this lasts.

    Only the folder's owner may. Raises StateFolderError where no socket can be made.
    """

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await answer(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    path = folder / name
    # The state lock says that whoever left a socket here is gone.
    path.unlink(missing_ok=True)
    try:
        with _reachable(path) as address:
            server = await asyncio.start_unix_server(speak, address, limit=MAX_LINE_BYTES)
            path.chmod(0o600)
    except OSError as error:
        raise StateFolderError(f"No socket for commands could be made at {path}: {error}.") from error
    try:
        async with server:
            yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def connected(folder: Path, name: str, *, within_s: float) -> Iterator[socket.socket]:
    """Give a connection to the daemon on this state folder.

    Raises OSError where none runs there, StateFolderError where it may not be asked or does not answer.
    """
    try:
        with _reachable(folder / name) as address, socket.socket(socket.AF_UNIX) as door:
            door.settimeout(within_s)
            door.connect(address)
            yield door
    except PermissionError:
        raise StateFolderError(
            f"The daemon's socket in {folder} is not open to this user: ask as the daemon's user or as root."
        ) from None
    except TimeoutError:
        raise StateFolderError(
            f"The daemon of {folder} did not answer within {within_s:.0f} s; its log may say why."
        ) from None


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """Give a name for `path` that fits a Unix socket's 107 bytes, however deep the folder lies."""
    if len(os.fsencode(path)) < 108:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
