"""What past events were decided on, in SQLite: embeddings only, so that they can be judged again."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Self

import numpy as np

from daemon.logs import Changes
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from daemon.learning.ear import Remembered
    from detectors.encoders import EncoderId

FILE_NAME = "events.embeddings.sqlite"

MAX_EVENTS = 5_000
"""At 16 hops of 192 numbers of two bytes each, 30 MB. The oldest go first."""

WRITE_EVERY_S = 1.0
STOP_PATIENCE_S = 5.0
_BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS decided_on (
    id TEXT PRIMARY KEY,
    onset_at REAL NOT NULL,
    encoder TEXT NOT NULL,
    hops BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS decided_on_by_onset ON decided_on (onset_at);
"""

_log = logging.getLogger(__name__)


class EventMemory:
    """Writes while its `async with` lasts. `put` never waits; a disk that takes nothing stops nothing."""

    def __init__(self, path: Path, encoder: EncoderId) -> None:
        self._path = path
        self._encoder = str(encoder)
        self._waiting: dict[str, Remembered] = {}
        self._stopping = asyncio.Event()
        self._task = OwnedTask()
        self._changes = Changes(_log)

    def put(self, remembered: Iterable[Remembered]) -> None:
        """Keep these, in place of what is known of the same events."""
        self._waiting.update({each.event.id: each for each in remembered})

    async def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        try:
            await asyncio.to_thread(self._write, list(waiting.values()))
        except (sqlite3.Error, OSError) as error:
            self._changes.note(str(self._path), f"not written: {error}")
        else:
            self._changes.note(str(self._path), "written", level=logging.DEBUG)

    async def __aenter__(self) -> Self:
        await self._task.start(self._run(), name="event memory")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await self._task.stop(error, patience_s=STOP_PATIENCE_S)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(WRITE_EVERY_S):
                    await self._stopping.wait()
            except TimeoutError:
                await self.flush()
        await self.flush()

    def _write(self, remembered: Sequence[Remembered]) -> None:
        rows = [
            (each.event.id, each.event.onset_at, self._encoder, each.hops.astype("<f2").tobytes())
            for each in remembered
        ]
        with closing(sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_S)) as database:
            database.executescript(_SCHEMA)
            self._path.chmod(0o600)
            with database:
                database.executemany("INSERT OR REPLACE INTO decided_on VALUES (?, ?, ?, ?)", rows)
                database.execute(
                    "DELETE FROM decided_on WHERE id NOT IN "
                    "(SELECT id FROM decided_on ORDER BY onset_at DESC LIMIT ?)",
                    (MAX_EVENTS,),
                )


def read_decided_on(path: Path, encoder: EncoderId) -> dict[str, NDArray[np.float32]]:
    """Return the hops [n, dim] of every remembered event that this encoder heard, by event id.

    May run in another process than the daemon. Raises sqlite3.Error if the file cannot be read.
    """
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S)) as database:
        rows = database.execute("SELECT id, hops FROM decided_on WHERE encoder = ?", (str(encoder),))
        return {
            str(name): np.frombuffer(hops, dtype="<f2").reshape(-1, encoder.dim).astype(np.float32)
            for name, hops in rows
            if len(hops) % (2 * encoder.dim) == 0
        }
