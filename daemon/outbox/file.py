"""The file behind the outbox: what waits, what became of the rest, and what the rules remember.

The three change together, in one transaction. Blocking: for a thread.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.sqlite_files import check, set_aside

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

SCHEMA_VERSION = 1
MAX_OUTCOMES = 1_000
BUSY_TIMEOUT_S = 0.5
"""How long another process may hold up the writer, and with it the doors."""
MAX_LOG_BYTES = 4_000_000
"""Where the write-ahead log is longer, it goes into the file."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS waiting (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL, target TEXT NOT NULL, put_at REAL NOT NULL,
    expires_s REAL NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS outcomes (
    number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, id TEXT NOT NULL, rule TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, put_at REAL NOT NULL, ended_at REAL NOT NULL,
    outcome TEXT NOT NULL, why TEXT NOT NULL, event TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS memory (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS boot (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL) STRICT;
"""
_PUT = "INSERT OR REPLACE INTO waiting (seq, id, target, put_at, expires_s, body) VALUES (?, ?, ?, ?, ?, ?)"
_FORGET = "DELETE FROM waiting WHERE seq = ?"
_NOTE = (
    "INSERT INTO outcomes (seq, id, rule, action, target, put_at, ended_at, outcome, why, event)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_OLD_OUTCOMES = "DELETE FROM outcomes WHERE number <= (SELECT max(number) FROM outcomes) - ?"
_REMEMBER = "INSERT OR REPLACE INTO memory (one, state) VALUES (1, ?)"
_BOOT = "INSERT OR REPLACE INTO boot (one, id) VALUES (1, ?)"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_WAITING = "SELECT seq, id, target, put_at, expires_s, body FROM waiting"
_OUTCOMES = "SELECT seq, id, rule, action, target, put_at, ended_at, outcome, why, event FROM outcomes"


class Outcome(StrEnum):
    """What became of a request."""

    DELIVERED = "delivered"
    FAILED = "failed"
    EXPIRED = "expired"
    PUSHED_OUT = "pushed out"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A request that has not been delivered yet. They go to a target in the order of `seq`."""

    seq: int
    id: str
    target: str
    put_at: float
    """Unix seconds."""
    expires_s: float
    body: str
    """The request as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of a request. Times are Unix seconds."""

    seq: int
    id: str
    rule_id: str
    action: str
    target: str
    put_at: float
    ended_at: float
    outcome: Outcome
    why: str
    event: str | None
    """The sound that made the rule fire, as JSON; only of what may have had an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file held when it was opened."""

    waiting: tuple[Waiting, ...]
    ended: tuple[Ended, ...]
    memory: str | None
    """The state of the rules that belongs to what waits; None: nothing was kept."""
    rebooted: bool
    """The machine was started anew since: its clock may not have gone on."""


class OutboxFile:
    """One connection, for one thread. Every method raises sqlite3.Error or OSError as the disk does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._database: sqlite3.Connection | None = None
        self._version_seen = 0

    def open(self) -> Found:
        """Return what the file holds. A damaged one is set aside; raises StateFolderError for a newer one."""
        try:
            self._database = _open(self.path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            set_aside(self.path, "outbox", str(error))
            self._database = _open(self.path)
        memory = self._database.execute("SELECT state FROM memory").fetchone()
        boot, now = self._database.execute("SELECT id FROM boot").fetchone(), _boot_id()
        self._database.execute(_BOOT, (now,))
        self.changed_elsewhere()
        return Found(
            waiting=tuple(_waiting(self._database, " ORDER BY seq")),
            ended=tuple(_ended(self._database, " ORDER BY number")),
            memory=None if memory is None else memory[0],
            rebooted=boot is not None and boot[0] != now,
        )

    def commit(self, puts: Collection[Waiting], ends: Collection[Ended], memory: str | None) -> None:
        """Write all of it or nothing."""
        assert self._database is not None
        with self._database as database:
            database.execute("BEGIN IMMEDIATE")
            database.executemany(_PUT, map(astuple, puts))
            database.executemany(_FORGET, [(end.seq,) for end in ends])
            database.executemany(_NOTE, map(astuple, ends))
            if ends:
                database.execute(_OLD_OUTCOMES, (MAX_OUTCOMES,))
            if memory is not None:
                database.execute(_REMEMBER, (memory,))

    def changed_elsewhere(self) -> bool:
        """Tell whether another process has written since this was asked last."""
        assert self._database is not None
        version: int = self._database.execute("PRAGMA data_version").fetchone()[0]
        changed, self._version_seen = version != self._version_seen, version
        return changed

    def left(self) -> frozenset[int]:
        """Return the `seq` of everything that waits."""
        assert self._database is not None
        return frozenset(row[0] for row in self._database.execute("SELECT seq FROM waiting"))

    def log_bytes(self) -> int:
        """Return how long the write-ahead log is."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def flush(self) -> None:
        """Have the disk itself take what was committed, so that a power cut loses nothing of it."""
        assert self._database is not None
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Let go of the file; `open` may follow."""
        if self._database is not None:
            self._database.close()
            self._database = None


def read_waiting(path: Path, seqs: Sequence[int] | None = None) -> list[Waiting]:
    """Return what waits, in order; of `seqs` where given. May run beside the daemon."""
    with _reading(path) as database:
        if database is None:
            return []
        if seqs is None:
            return _waiting(database, " ORDER BY seq")
        wanted = f" WHERE seq IN ({','.join('?' * len(seqs))}) ORDER BY seq"
        return _waiting(database, wanted, seqs)


def read_outcomes(path: Path, limit: int) -> list[Ended]:
    """Return what became of the newest `limit` requests, the oldest first. May run beside the daemon."""
    with _reading(path) as database:
        if database is None:
            return []
        return _ended(database, " ORDER BY number DESC LIMIT ?", (limit,))[::-1]


def drop_waiting(path: Path, ends: Collection[Ended]) -> None:
    """Take what waits out of the file. A daemon that runs notices within a second."""
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database, database:
        database.executemany(_FORGET, [(end.seq,) for end in ends])
        database.executemany(_NOTE, map(astuple, ends))


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    """Open a file that there may not be, or that nothing has been put in yet."""
    if not path.exists():
        yield None
        return
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        begun = database.execute("PRAGMA user_version").fetchone()[0] >= SCHEMA_VERSION
        yield database if begun else None


def _waiting(database: sqlite3.Connection, suffix: str, values: Sequence[object] = ()) -> list[Waiting]:
    return [
        Waiting(seq=seq, id=name, target=target, put_at=put_at, expires_s=expires_s, body=body)
        for seq, name, target, put_at, expires_s, body in database.execute(_WAITING + suffix, values)
    ]


def _ended(database: sqlite3.Connection, suffix: str, values: Sequence[object] = ()) -> list[Ended]:
    return [
        Ended(
            seq=row[0],
            id=row[1],
            rule_id=row[2],
            action=row[3],
            target=row[4],
            put_at=row[5],
            ended_at=row[6],
            outcome=Outcome(row[7]),
            why=row[8],
            event=row[9],
        )
        for row in database.execute(_OUTCOMES + suffix, values)
    ]


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _open(path: Path) -> sqlite3.Connection:
    # Payloads and addresses of webhooks may be secret; SQLite gives its other files the same mode.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    check(database, path, SCHEMA_VERSION)
    # `flush` does that when nobody waits for it, and bounds what a power cut could lose.
    database.execute("PRAGMA wal_autocheckpoint = 0")
    database.executescript(_SCHEMA)
    database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
