"""`command.run`: programs that the configuration allows, without a shell."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from foundation.errors import ActionError

if TYPE_CHECKING:
    from collections.abc import Collection

    from rules.model import ActionRequest

SHOWN = 200
"""Characters of a program's last words that a message repeats."""
MAX_WORDS_BYTES = 10_000
REQUEST_ID = "HEARD_ID"
"""Tells the program what it is run for: the same if it is run again because heard was killed meanwhile."""


class Programs:
    """Runs what is allowed, and nothing else."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    async def run(self, request: ActionRequest) -> None:
        """Run one program to its end; raises ActionError where it fails or takes too long."""
        command: list[str] = list(request.data["command"])
        if command[0] not in self._allowed:
            known = ", ".join(sorted(self._allowed)) or "none"
            raise ActionError(
                f"the configuration does not allow the program {command[0]!r} ('commands' has: {known})"
            )
        if any("\0" in word for word in command):
            raise ActionError("a word of a command holds a NUL character")
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, REQUEST_ID: request.id},
            )
        except OSError as error:
            raise ActionError(f"{command[0]} cannot be started: {error.strerror or error}") from error
        words = await _last_words(process, float(request.data["timeout_s"]), command[0])
        if process.returncode:
            said = f": {words[-SHOWN:]}" if words else ""
            raise ActionError(f"{command[0]} ended with {process.returncode}{said}")


async def _last_words(process: asyncio.subprocess.Process, timeout_s: float, name: str) -> str:
    """Return what a program said on its standard error until it ended; end it where that takes too long."""
    assert process.stderr is not None
    said = b""
    try:
        async with asyncio.timeout(timeout_s):
            while piece := await process.stderr.read(4_096):
                said = (said + piece)[-MAX_WORDS_BYTES:]
            await process.wait()
    except TimeoutError:
        raise ActionError(f"{name} did not end within {timeout_s:g} s, and was ended") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return said.decode(errors="replace").strip()
