"""The file behind the history: one SQLite table, one row for each sound. Blocking: for a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from daemon.sqlite_files import set_aside
from detectors.types import Phase, SoundEvent
from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SCHEMA_VERSION = 1

BUSY_TIMEOUT_S = 5.0
"""How long a reader in another process may hold up the writer."""

_COLUMNS = (
    "id, phase, profile, profile_version, stream, epoch_s, onset_s, decided_s, end_s, "
    "score, level_dbfs, noise_floor_dbfs, speech"
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY,
    phase TEXT NOT NULL,
    profile TEXT NOT NULL,
    profile_version TEXT NOT NULL,
    stream TEXT NOT NULL,
    epoch_s REAL NOT NULL,
    onset_s REAL NOT NULL,
    decided_s REAL NOT NULL,
    end_s REAL,
    score REAL NOT NULL,
    level_dbfs REAL,
    noise_floor_dbfs REAL,
    speech INTEGER NOT NULL,
    onset_at REAL GENERATED ALWAYS AS (epoch_s + onset_s) VIRTUAL
) STRICT;
CREATE INDEX IF NOT EXISTS events_by_onset ON events (onset_at);
"""

# An event that has ended stays ended, whatever is said again later.
_UPSERT = f"""
INSERT INTO events ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
    phase = excluded.phase, decided_s = excluded.decided_s, end_s = excluded.end_s, score = excluded.score,
    level_dbfs = excluded.level_dbfs, noise_floor_dbfs = excluded.noise_floor_dbfs, speech = excluded.speech
WHERE excluded.phase = 'ended' OR events.phase = 'started'
"""  # noqa: S608 - only constants of this module are put together

def open_history(path: Path) -> sqlite3.Connection:
    """Open the history for writing; a damaged file is set aside as `*.damaged-<time>` and a new one begun.

    Raises sqlite3.Error or OSError if the disk does not allow it, StateFolderError if the file is newer than
    this program.
    """
    try:
        return _open(path)
    except sqlite3.DatabaseError as error:
        # Its subclasses speak of the disk and of locks, not of what is in the file.
        if type(error) is not sqlite3.DatabaseError:
            raise
        set_aside(path, "history", str(error))
        return _open(path)


def write_events(database: sqlite3.Connection, events: Iterable[SoundEvent]) -> None:
    """Commit `events`; the end of a sound replaces its beginning. Raises sqlite3.Error."""
    with database:
        database.executemany(_UPSERT, [_to_row(event) for event in events])


def read_events(
    path: Path,
    limit: int = 100,
    *,
    profile: str | None = None,
    stream: str | None = None,
    since: float = 0.0,
) -> list[SoundEvent]:
    """Return stored events that began at `since` or later, the newest first; none if there is no history yet.

    May run in another process than the daemon. Raises sqlite3.Error if the file cannot be read.
    """
    if not path.exists():
        return []
    wanted = f"""
        SELECT {_COLUMNS} FROM events
        WHERE onset_at >= :since AND (:profile IS NULL OR profile = :profile)
          AND (:stream IS NULL OR stream = :stream)
        ORDER BY onset_at DESC, id LIMIT :limit
    """  # noqa: S608 - only constants of this module are put together
    values = {"since": since, "profile": profile, "stream": stream, "limit": limit}
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        return [_from_row(row) for row in database.execute(wanted, values)]


def read_event(path: Path, event_id: str) -> SoundEvent | None:
    """Return the stored event of this id. Raises sqlite3.Error if the file cannot be read."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        row = database.execute(f"SELECT {_COLUMNS} FROM events WHERE id = ?", (event_id,)).fetchone()  # noqa: S608 - only constants of this module are put together
    return None if row is None else _from_row(row)


def _open(path: Path) -> sqlite3.Connection:
    # Used by one thread at a time: whichever the loop's executor picks.
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(found)
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StateFolderError(f"{path} was written by a newer heard (schema {version}); use that one")
    database.execute("PRAGMA journal_mode = WAL")
    # In WAL mode a killed process loses nothing that was committed, and a power cut at most the last commits,
    # never the file: a flush to the disk for every event would wear out SD cards for little.
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_SCHEMA)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _to_row(event: SoundEvent) -> tuple[str | float | None, ...]:
    return (
        event.id,
        event.phase.value,
        event.profile,
        event.profile_version,
        event.stream,
        event.epoch_s,
        event.onset_s,
        event.decided_s,
        event.end_s,
        float(event.score),
        float(event.level_dbfs),
        float(event.noise_floor_dbfs),
        int(event.speech),
    )


def _from_row(row: Sequence[object]) -> SoundEvent:
    return SoundEvent(
        id=str(row[0]),
        phase=Phase(str(row[1])),
        profile=str(row[2]),
        profile_version=str(row[3]),
        stream=str(row[4]),
        epoch_s=_number(row[5]),
        onset_s=_number(row[6]),
        decided_s=_number(row[7]),
        end_s=None if row[8] is None else _number(row[8]),
        score=_number(row[9]),
        level_dbfs=_number(row[10]),
        noise_floor_dbfs=_number(row[11]),
        speech=bool(row[12]),
    )


def _number(value: object) -> float:
    # NaN has no place in SQLite: it comes back as NULL.
    return float(value) if isinstance(value, (int, float)) else float("nan")
