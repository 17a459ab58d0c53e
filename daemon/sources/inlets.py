"""Where bytes come in: a path or standard input, and the output of a command."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import stat
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Protocol, Self

from foundation.errors import AudioDeviceError

_READ_BYTES = 1 << 16
_STDERR_BYTES = 4096
"""How much of a command's last words is kept."""

_STDERR_LINES = 5
_GRACE_S = 2.0
"""How long a command may take to end after SIGTERM, before SIGKILL."""

_DEBIAN_PACKAGES = {
    "arecord": "alsa-utils",
    "ffmpeg": "ffmpeg",
    "parec": "pulseaudio-utils",
    "pw-record": "pipewire-bin",
    "rec": "sox",
    "sox": "sox",
}


class Inlet(Protocol):
    """Something that bytes come out of, until it ends."""

    name: str
    """What the owner calls it, for messages."""

    is_live: bool
    """True where an end means that something went wrong. Known once open."""

    async def open(self) -> None:
        """Open it. Raises AudioDeviceError where it is not there."""

    async def read(self) -> bytes:
        """Wait for bytes; none at the end."""

    async def why_it_ended(self) -> str:
        """Say what is known about the end."""

    async def close(self) -> None:
        """Close it and leave nothing behind."""


class _WatchedDescriptor:
    """A pipe's end that the event loop watches: a thread that waits in read() could not be cancelled."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.ReadTransport) -> None:
        self._transport = transport
        self.read = reader.read

    @classmethod
    async def watch(cls, descriptor: int) -> Self:
        """Take over `descriptor`: it is closed with this, or at its end."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader, loop=loop), os.fdopen(descriptor, "rb", buffering=0)
        )
        return cls(reader, transport)

    async def close(self) -> None:
        """Close the descriptor."""
        self._transport.close()
        await asyncio.sleep(0)  # the transport closes its file in the next turn of the loop


class PathInlet:
    """A FIFO, a device or a plain file by path, or standard input for `-`."""

    def __init__(self, path: Path) -> None:
        self.name = "standard input" if path == Path("-") else str(path)
        self.is_live = False
        self._path = path
        self._descriptor = -1
        self._was_blocking = True
        self._watched: _WatchedDescriptor | None = None

    async def open(self) -> None:
        """Open the path; a FIFO opens at once, whether or not anybody writes."""
        is_stdin = self._path == Path("-")
        try:
            # A copy of standard input, so that closing this source leaves descriptor 0 as it was.
            self._descriptor = os.dup(0) if is_stdin else os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            hint = f"; make it with: mkfifo {self._path}" if isinstance(error, FileNotFoundError) else ""
            raise AudioDeviceError(f"{self.name}: {error.strerror}{hint}") from error
        mode = os.fstat(self._descriptor).st_mode
        self._was_blocking = os.get_blocking(self._descriptor)
        self.is_live = not is_stdin and stat.S_ISFIFO(mode)
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(self._descriptor):
            self._watched = await _WatchedDescriptor.watch(os.dup(self._descriptor))
        elif stat.S_ISDIR(mode):
            await self.close()
            raise AudioDeviceError(f"{self.name}: a folder, where a FIFO was expected")

    async def read(self) -> bytes:
        """Wait for bytes. Plain files never make anybody wait, so a thread may read them."""
        if self._watched is not None:
            return await self._watched.read(_READ_BYTES)
        return await asyncio.to_thread(os.read, self._descriptor, _READ_BYTES)

    async def why_it_ended(self) -> str:
        """Only a FIFO's end asks for a reason."""
        return f"{self.name}: the program that wrote into it has closed it"

    async def close(self) -> None:
        """Close the descriptor, and give standard input back as it was."""
        if self._descriptor < 0:
            return
        if self._watched is not None:
            await self._watched.close()
        os.set_blocking(self._descriptor, self._was_blocking)
        os.close(self._descriptor)
        self._descriptor = -1


class CommandInlet:
    """The standard output of a command, which runs in a process group of its own and ends with this."""

    is_live = True

    def __init__(self, command: tuple[str, ...]) -> None:
        self.name = f"`{shlex.join(command)}`"
        self._command = command
        self._stderr = b""
        self._opened = AsyncExitStack()

    async def open(self) -> None:
        """Start the command."""
        # Pipes of our own: those of asyncio's subprocess stay open while a reader that has enough is paused.
        stdout, stdout_of_command = os.pipe()
        stderr, stderr_of_command = os.pipe()
        try:
            self._stdout = await self._watch(stdout)
            self._stderr_task = asyncio.create_task(self._keep_stderr(await self._watch(stderr)))
            self._opened.push_async_callback(self._stop_keeping_stderr)
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stdout_of_command,
                stderr=stderr_of_command,
                start_new_session=True,
            )
        except OSError as error:
            await self.close()
            raise AudioDeviceError(_cannot_start(self._command[0], error)) from error
        finally:
            os.close(stdout_of_command)
            os.close(stderr_of_command)
        self._opened.push_async_callback(self._stop_process)

    async def read(self) -> bytes:
        """Wait for bytes."""
        return await self._stdout.read(_READ_BYTES)

    async def why_it_ended(self) -> str:
        """Name the exit code or signal, and the last lines that the command wrote to stderr."""
        code: int | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                code = await self._process.wait()
                await asyncio.shield(self._stderr_task)
        # Progress displays return to the start of the line; splitlines() counts that as a line too.
        lines = [line for line in self._stderr.decode(errors="replace").splitlines() if line.strip()]
        last_words = "".join(f"\n    {line.strip()}" for line in lines[-_STDERR_LINES:])
        return f"{self.name} {_how_it_ended(code)}{last_words}"

    async def close(self) -> None:
        """Stop the command and everything that it started, and wait until it is gone."""
        await self._opened.aclose()

    async def _watch(self, descriptor: int) -> _WatchedDescriptor:
        watched = await _WatchedDescriptor.watch(descriptor)
        self._opened.push_async_callback(watched.close)
        return watched

    async def _keep_stderr(self, stderr: _WatchedDescriptor) -> None:
        """Read stderr all the time, so that a talkative command never waits, and keep the end of it."""
        while piece := await stderr.read(_READ_BYTES):
            self._stderr = (self._stderr + piece)[-_STDERR_BYTES:]

    async def _stop_keeping_stderr(self) -> None:
        self._stderr_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._stderr_task

    async def _stop_process(self) -> None:
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _cannot_start(program: str, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return f"{program}: cannot be started: {error.strerror}"
    package = _DEBIAN_PACKAGES.get(program)
    hint = f" On Debian: apt install {package}" if package else " Install it, or write its full path."
    return f"{program}: there is no such command.{hint}"


def _how_it_ended(code: int | None) -> str:
    if code is None:
        return "closed its output and goes on running"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
