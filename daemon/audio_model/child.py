"""One running process of the full audio model, from its start to its end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.audio_model.wire import LENGTHS, Message, lengths
from foundation.errors import AudioModelUnavailable, ModelError

if TYPE_CHECKING:
    from detectors.audio_models import LoadOptions

MODULE = "daemon.audio_model.process"
ENDED_WITHIN_S = 2.0
LOADED_WITHIN_S = 1_800.0
"""Twenty gigabytes from a slow disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPlace:
    """Which model to load, and how."""

    folder: Path
    load: LoadOptions
    command: Sequence[str] = (sys.executable, "-P", "-m", MODULE)


class Child:
    """A started process. Whoever ends it calls `kill`, which returns when it is gone."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.name = ""
        self.capabilities: Mapping[str, Any] = {}

    @classmethod
    async def start(cls, place: ModelPlace) -> Child:
        """Start a process and give it its model to load; `ready` waits for that."""
        threads = str(place.load.threads)
        environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        try:
            process = await asyncio.create_subprocess_exec(
                *place.command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment
            )
        except OSError as error:
            raise AudioModelUnavailable(f"the audio model's process cannot start: {error}") from error
        child = cls(process)
        load = asdict(place.load) | {"companions": {k: str(v) for k, v in place.load.companions.items()}}
        await child.send(Message(content={"folder": str(place.folder), "load": load}))
        return child

    async def ready(self) -> None:
        """Wait until the model is loaded. Raises ModelError where the owner must act."""
        try:
            said = await asyncio.wait_for(self.hear(), LOADED_WITHIN_S)
        except TimeoutError:
            await self.kill()
            raise AudioModelUnavailable(f"the model did not load within {LOADED_WITHIN_S:.0f} s") from None
        if said["said"] == "refused":
            await self.kill()
            raise ModelError(said["error"])
        self.name, self.capabilities = said["name"], said["capabilities"]

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process has not ended."""
        return self._process.returncode is None

    async def send(self, message: Message) -> None:
        """Give the process a message. Raises AudioModelUnavailable if it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(message.encode())
            await self._process.stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise await self._gone() from None

    async def hear(self) -> Mapping[str, Any]:
        """Return what the process says next. Raises AudioModelUnavailable if it is gone."""
        assert self._process.stdout is not None
        try:
            content_bytes, _ = lengths(await self._process.stdout.readexactly(LENGTHS.size))
            said: Mapping[str, Any] = json.loads(await self._process.stdout.readexactly(content_bytes))
        except (asyncio.IncompleteReadError, ConnectionResetError, ValueError):
            raise await self._gone() from None
        return said

    async def kill(self) -> None:
        """End the process at once."""
        if self.alive:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

    async def _gone(self) -> AudioModelUnavailable:
        # It is ending by itself: a signal now would race with asyncio for how it ended.
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), ENDED_WITHIN_S)
        await self.kill()
        code = self._process.returncode
        how = f"was ended by signal {-code}" if code is not None and code < 0 else f"ended with code {code}"
        return AudioModelUnavailable(f"the audio model's process {how}")
