"""What the rules were told, and what came near to firing: one bounded file, written in the background."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Self, TypeVar

from daemon.deciding.faint_sounds import FaintSound
from daemon.logs import Changes
from foundation.owned_task import OwnedTask
from rules.facts_json import dump_event, dump_fact, load_event, load_fact
from rules.recorded import Began, Recorded, Told
from rules.verdict import Stopped, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from rules.facts import Fact

FILE_NAME = "rules_journal.sqlite"
WRITE_EVERY_S = 1.0
"""What a power cut may cost."""
KEEP_DAYS = 30
MAX_MOMENTS = 1_000_000
"""At 400 bytes each 400 MB; an ordinary home fills a tenth in a month."""
MAX_VERDICTS_PER_RULE = 1_000
MAX_FAINT = 50_000
PRUNE_EVERY = 20_000
"""Rows written between two looks at what is too much."""
MAX_WAITING = 100_000
"""Rows kept in memory while the disk takes none."""
BUSY_TIMEOUT_S = 5.0
PATIENCE_S = 5.0

_Row = tuple[Any, ...]
_Item = TypeVar("_Item")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS moments (
    seq INTEGER PRIMARY KEY, now REAL NOT NULL, kind TEXT NOT NULL, body TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS moments_by_time ON moments (now);
CREATE TABLE IF NOT EXISTS verdicts (
    seq INTEGER PRIMARY KEY, rule TEXT NOT NULL, at REAL NOT NULL, trigger INTEGER NOT NULL,
    gate TEXT, why TEXT, about TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS verdicts_by_rule ON verdicts (rule, at);
CREATE TABLE IF NOT EXISTS faint (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, stream TEXT NOT NULL, profile TEXT NOT NULL,
    score REAL NOT NULL, level_dbfs REAL
) STRICT;
CREATE INDEX IF NOT EXISTS faint_by_time ON faint (at);
"""
_PUT_MOMENT = "INSERT INTO moments (now, kind, body) VALUES (?, ?, ?)"
_PUT_VERDICT = "INSERT INTO verdicts (rule, at, trigger, gate, why, about) VALUES (?, ?, ?, ?, ?, ?)"
_PUT_FAINT = "INSERT INTO faint (at, stream, profile, score, level_dbfs) VALUES (?, ?, ?, ?, ?)"
_OLD_VERDICTS = """
DELETE FROM verdicts WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER (PARTITION BY rule ORDER BY seq DESC) AS age FROM verdicts
    ) WHERE age > ?
)
"""
_PRUNE: tuple[tuple[str, Callable[[], _Row]], ...] = (
    ("DELETE FROM moments WHERE now < ?", lambda: (time.time() - KEEP_DAYS * 86_400,)),
    ("DELETE FROM moments WHERE seq <= (SELECT max(seq) FROM moments) - ?", lambda: (MAX_MOMENTS,)),
    ("DELETE FROM faint WHERE seq <= (SELECT max(seq) FROM faint) - ?", lambda: (MAX_FAINT,)),
    (_OLD_VERDICTS, lambda: (MAX_VERDICTS_PER_RULE,)),
)

_log = logging.getLogger(__name__)


class RulesJournal:
    """Writes while its `async with` lasts. Nothing that is noted waits for the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._moments: deque[Recorded] = deque(maxlen=MAX_WAITING)
        self._verdicts: deque[Verdict] = deque(maxlen=MAX_WAITING)
        self._faint: deque[FaintSound] = deque(maxlen=MAX_WAITING)
        self._written = PRUNE_EVERY
        self._changes = Changes(_log)
        self._task = OwnedTask()

    def began(self, now: float, rules: str, *, deaf: bool) -> None:
        """Note which rules are in force from now on."""
        self._moments.append(Began(now=now, rules=rules, deaf=deaf))

    def told(self, now: float, fact: Fact | None) -> None:
        """Note one step of the engine."""
        self._moments.append(Told(now=now, fact=fact))

    def verdict(self, verdict: Verdict) -> None:
        """Note what a rule made of what concerned it."""
        self._verdicts.append(verdict)

    def faint(self, faint: FaintSound) -> None:
        """Note what was nearly recognised."""
        self._faint.append(faint)

    async def __aenter__(self) -> Self:
        await self._task.start(self._write(), name="rules journal")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._task.stop(error)
        finally:
            await asyncio.to_thread(self.flush)

    async def _write(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            if self._moments or self._verdicts or self._faint:
                await asyncio.to_thread(self.flush)

    def flush(self) -> None:
        """Write what waits. A disk that takes nothing is told in the log, once, and tried again."""
        moments, verdicts, faint = list(self._moments), list(self._verdicts), list(self._faint)
        if not (moments or verdicts or faint):
            return
        try:
            with closing(_open(self._path)) as database, database:
                database.executemany(_PUT_MOMENT, map(_moment_row, moments))
                database.executemany(_PUT_VERDICT, map(_verdict_row, verdicts))
                database.executemany(_PUT_FAINT, map(_faint_row, faint))
                self._prune(database, len(moments) + len(verdicts) + len(faint))
        except (sqlite3.Error, OSError) as error:
            self._changes.note(str(self._path), f"not written: {error}")
            return
        self._changes.note(str(self._path), "written", level=logging.DEBUG)
        _drop(self._moments, moments)
        _drop(self._verdicts, verdicts)
        _drop(self._faint, faint)

    def _prune(self, database: sqlite3.Connection, rows: int) -> None:
        self._written += rows
        if self._written >= PRUNE_EVERY:
            self._written = 0
            for statement, limits in _PRUNE:
                database.execute(statement, limits())


def read_record(path: Path, *, since: float = 0.0) -> Iterator[Recorded]:
    """Give what the rules were told from `since` on, in order. Raises sqlite3.Error if it cannot be read."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        # The rules that were in force then were announced before.
        first = database.execute(
            "SELECT seq, now, kind, body FROM moments WHERE kind = 'began' AND now < ?"
            " ORDER BY seq DESC LIMIT 1",
            (since,),
        )
        for row in first.fetchall():
            yield _recorded(row[1:])
        wanted = "SELECT now, kind, body FROM moments WHERE now >= ? ORDER BY seq"
        for row in database.execute(wanted, (since,)):
            yield _recorded(row)


def journal_begins(path: Path) -> float | None:
    """Return when the first moment was written down; None where none was."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        found: float | None = database.execute("SELECT min(now) FROM moments").fetchone()[0]
        return found


def read_verdicts(path: Path, rule: str, *, since: float = 0.0, until: float | None = None) -> list[Verdict]:
    """Return what a rule made of what concerned it, in order. Raises sqlite3.Error if it cannot be read."""
    if not path.exists():
        return []
    wanted = (
        "SELECT rule, at, trigger, gate, why, about FROM verdicts"
        " WHERE rule = ? AND at >= ? AND (? IS NULL OR at <= ?) ORDER BY at, seq"
    )
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        return [_verdict(row) for row in database.execute(wanted, (rule, since, until, until))]


def read_faint(path: Path, *, since: float, until: float) -> list[FaintSound]:
    """Return what was nearly recognised in a time. Raises sqlite3.Error if it cannot be read."""
    if not path.exists():
        return []
    wanted = "SELECT at, stream, profile, score, level_dbfs FROM faint WHERE at BETWEEN ? AND ? ORDER BY at"
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as database:
        return [
            FaintSound(
                at=at,
                stream=stream,
                profile=profile,
                score=score,
                level_dbfs=-math.inf if level_dbfs is None else level_dbfs,
            )
            for at, stream, profile, score, level_dbfs in database.execute(wanted, (since, until))
        ]


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(_SCHEMA)
    return database


def _moment_row(moment: Recorded) -> _Row:
    if isinstance(moment, Began):
        return moment.now, "began", json.dumps({"rules": moment.rules, "deaf": moment.deaf})
    fact = None if moment.fact is None else json.dumps(dump_fact(moment.fact), ensure_ascii=False)
    return moment.now, "told", fact


def _faint_row(faint: FaintSound) -> _Row:
    # What is silent has a level that SQLite has no number for.
    level_dbfs = faint.level_dbfs if math.isfinite(faint.level_dbfs) else None
    return faint.at, faint.stream, faint.profile, faint.score, level_dbfs


def _verdict_row(verdict: Verdict) -> _Row:
    event = verdict.event
    about = {"event": None if event is None else dump_event(event), "told": dict(verdict.told)}
    gate, why = (None, None) if verdict.stopped is None else verdict.stopped
    told = json.dumps(about, ensure_ascii=False)
    return verdict.rule_id, verdict.at, verdict.trigger, gate, why, told


def _drop(waiting: deque[_Item], written: Iterable[_Item]) -> None:
    for row in written:
        # What the disk was too slow for may have been pushed out meanwhile.
        if waiting and waiting[0] is row:
            waiting.popleft()


def _recorded(row: _Row) -> Recorded:
    now, kind, body = row
    if kind == "began":
        data = json.loads(body)
        return Began(now=now, rules=data["rules"], deaf=data["deaf"])
    return Told(now=now, fact=None if body is None else load_fact(json.loads(body)))


def _verdict(row: _Row) -> Verdict:
    rule, at, trigger, gate, why, about = row
    data = json.loads(about)
    return Verdict(
        rule_id=rule,
        trigger=trigger,
        at=at,
        event=None if data["event"] is None else load_event(data["event"]),
        told=data["told"],
        stopped=None if gate is None else Stopped(gate, why),
    )
