"""Every event that was heard, in SQLite. What the disk does not take is kept in memory and offered again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from daemon.history_file import open_history, read_events, write_events
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from detectors.types import Phase, SoundEvent

MAX_BUFFERED = 100_000
"""Events kept while the disk is full: at 400 bytes each that is 40 MB, and months of an ordinary home."""

RETRY_S = 5.0

STOP_PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


class History:
    """Writes while its `async with` lasts. `record` never waits for the disk; leaving does.

    Entering raises StateFolderError if the file is newer than this program; other faults are waited out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._buffer: dict[tuple[str, Phase], SoundEvent] = {}
        self._changed = asyncio.Event()
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._stopping = asyncio.Event()
        self._task = OwnedTask()
        self._database: sqlite3.Connection | None = None
        self._fault: str | None = None
        self._lost = 0

    @property
    def healthy(self) -> bool:
        """Whether events reach the disk."""
        return self._fault is None

    @property
    def fault(self) -> str | None:
        """Why events do not reach the disk, or None."""
        return self._fault

    @property
    def buffered_events(self) -> int:
        """Events that are only in memory."""
        return len(self._buffer)

    @property
    def lost_events(self) -> int:
        """Events given up because MAX_BUFFERED others waited for the disk."""
        return self._lost

    def record(self, event: SoundEvent) -> None:
        """Take note of `event`: it goes to the disk at once, and stays in memory until it is there."""
        while len(self._buffer) >= MAX_BUFFERED:
            del self._buffer[next(iter(self._buffer))]
            self._lost += 1
        self._buffer[event.id, event.phase] = event
        self._flushed.clear()
        self._changed.set()

    async def flush(self) -> None:
        """Wait until everything recorded so far is in the database."""
        await self._flushed.wait()

    async def newest(
        self, limit: int = 100, *, profile: str | None = None, stream: str | None = None, since: float = 0.0
    ) -> list[SoundEvent]:
        """Return stored events that began at `since` (Unix seconds) or later, the newest first."""
        return await asyncio.to_thread(
            read_events, self._path, limit, profile=profile, stream=stream, since=since
        )

    async def __aenter__(self) -> Self:
        try:
            await asyncio.to_thread(self._commit, ())
        except (sqlite3.Error, OSError) as error:
            self._failed(str(error))
        await self._task.start(self._write(), name="history")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._changed.set()
        try:
            await self._task.stop(error, patience_s=STOP_PATIENCE_S)
        finally:
            if self._buffer:
                _log.error("stopped with %d events that the disk did not take", len(self._buffer))
            if self._database is not None:
                self._database.close()

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            stopping = self._stopping.is_set()
            while self._buffer and not await self._write_buffer() and not stopping:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._stopping.wait()
                stopping = self._stopping.is_set()
            if stopping:
                return

    async def _write_buffer(self) -> bool:
        events = list(self._buffer.values())
        try:
            await asyncio.to_thread(self._commit, events)
        except (sqlite3.Error, OSError) as error:
            self._failed(str(error))
            return False
        for event in events:
            # The same event may have been recorded anew meanwhile.
            if self._buffer.get((event.id, event.phase)) is event:
                del self._buffer[event.id, event.phase]
        if not self._buffer:
            self._flushed.set()
        self._worked()
        return True

    def _commit(self, events: Sequence[SoundEvent]) -> None:
        if self._database is None:
            self._database = open_history(self._path)
        try:
            write_events(self._database, events)
        except sqlite3.Error:
            # Opening it again looks for damage.
            self._database.close()
            self._database = None
            raise

    def _failed(self, fault: str) -> None:
        if self._fault is None:
            _log.warning("events are kept in memory: cannot write %s: %s", self._path, fault)
        self._fault = fault

    def _worked(self) -> None:
        if self._fault is not None:
            self._fault = None
            _log.info("events reach %s again", self._path)
