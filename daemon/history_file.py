"""The file behind the history: one SQLite table, one row for each sound. Blocking: for a thread."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.sqlite_files import check, set_aside
from detectors.types import Decider, Phase, SoundEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

SCHEMA_VERSION = 2

BUSY_TIMEOUT_S = 5.0
"""How long a reader in another process may hold up the writer."""

_AT_FIRST = (
    "id, phase, profile, profile_version, stream, epoch_s, onset_s, decided_s, end_s, "
    "score, level_dbfs, noise_floor_dbfs, speech"
)
_SINCE_2 = {
    "decided_by": ("TEXT NOT NULL DEFAULT 'profiles'", "'profiles'"),
    "verified": ("INTEGER", "NULL"),
    "caption": ("TEXT", "NULL"),
    "transcript": ("TEXT", "NULL"),
}
"""Columns that came later: how they are declared, and what stands for each in a file that has none yet."""

_COLUMNS = f"{_AT_FIRST}, {', '.join(_SINCE_2)}"

_SCHEMA = (
    """
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
) STRICT
""",
    "CREATE INDEX IF NOT EXISTS events_by_onset ON events (onset_at)",
)

# An event that has ended stays ended, and what was said of it stays said, whatever is told again later.
_NEWS = "excluded.phase = 'ended' OR events.phase = 'started'"
_CHANGES = [
    *(
        f"{name} = CASE WHEN {_NEWS} THEN excluded.{name} ELSE events.{name} END"
        for name in ("phase", "decided_s", "end_s", "score", "level_dbfs", "noise_floor_dbfs", "speech")
    ),
    *(f"{name} = COALESCE(excluded.{name}, {name})" for name in ("verified", "caption", "transcript")),
]
_UPSERT = f"""
INSERT INTO events ({_COLUMNS}) VALUES ({", ".join("?" * 17)})
ON CONFLICT (id) DO UPDATE SET {", ".join(_CHANGES)}
"""  # noqa: S608 - only constants of this module are put together


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The last event of a page that was read: the next one begins behind it."""

    onset_at: float
    """Unix seconds."""
    id: str


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
    until: float | None = None,
    after: After | None = None,
) -> list[SoundEvent]:
    """Return stored events that began from `since` to `until`, the newest first; none without a history.

    `after` goes on where a page ended. May run in another process than the daemon. Raises sqlite3.Error if
    the file cannot be read.
    """
    if not path.exists():
        return []
    wanted = """
        SELECT {columns} FROM events
        WHERE onset_at >= :since AND (:profile IS NULL OR profile = :profile)
          AND (:stream IS NULL OR stream = :stream) AND (:until IS NULL OR onset_at <= :until)
          AND (:after_at IS NULL OR onset_at < :after_at OR (onset_at = :after_at AND id > :after_id))
        ORDER BY onset_at DESC, id LIMIT :limit
    """
    values = {
        "since": since,
        "until": until,
        "profile": profile,
        "stream": stream,
        "limit": limit,
        "after_at": None if after is None else after.onset_at,
        "after_id": None if after is None else after.id,
    }
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        wanted = wanted.format(columns=_columns(database))
        return [_from_row(row) for row in database.execute(wanted, values)]


def read_event(path: Path, event_id: str) -> SoundEvent | None:
    """Return the stored event of this id. Raises sqlite3.Error if the file cannot be read."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        wanted = f"SELECT {_columns(database)} FROM events WHERE id = ?"  # noqa: S608 - only constants of this module are put together
        row = database.execute(wanted, (event_id,)).fetchone()
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
    check(database, path, SCHEMA_VERSION)
    with database:
        # One transaction: a file that was cut off between two columns would fit no schema.
        database.execute("BEGIN")
        for statement in _SCHEMA:
            database.execute(statement)
        present = _present(database)
        for name, (declaration, _) in _SINCE_2.items():
            if name not in present:
                database.execute(f"ALTER TABLE events ADD COLUMN {name} {declaration}")
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _columns(database: sqlite3.Connection) -> str:
    """Return what to read, also from a file that an older heard wrote and no newer one has opened yet."""
    present = _present(database)
    later = (name if name in present else absent for name, (_, absent) in _SINCE_2.items())
    return f"{_AT_FIRST}, {', '.join(later)}"


def _present(database: sqlite3.Connection) -> set[str]:
    return {row[1] for row in database.execute("PRAGMA table_info(events)")}


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
        event.decided_by.value,
        event.verified,
        event.caption,
        event.transcript,
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
        decided_by=Decider(str(row[13])),
        verified=None if row[14] is None else bool(row[14]),
        caption=None if row[15] is None else str(row[15]),
        transcript=None if row[16] is None else str(row[16]),
    )


def _number(value: object) -> float:
    # NaN has no place in SQLite: it comes back as NULL.
    return float(value) if isinstance(value, (int, float)) else float("nan")
