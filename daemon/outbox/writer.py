"""The one thread that writes the outbox: whatever has come while it wrote goes into one commit."""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.outbox.file import MAX_LOG_BYTES, Ended, Found, Waiting
from foundation.errors import StateFolderError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.outbox.file import OutboxFile

LOOK_EVERY_S = 1.0
"""How soon what still waits is safe from a power cut, and a disk that failed is tried again."""
KEEP_EVERY_S = 5.0
"""How old what the rules were told by others may be on disk; it is told again anyway."""
MAX_UNWRITTEN = 10_000
"""Outcomes kept in memory while the disk takes none. What was delivered and is not noted is sent again."""

Memory = Callable[[], str]
"""Writes down what the rules remember; called in the writer's thread."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    waiting: tuple[Waiting, ...]
    memory: Memory | None
    urgent: bool


class _Close:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Whom the writer tells. All are called in its thread."""

    found: Callable[[Found | StateFolderError | None], None]
    """Once at the start, None where the file cannot be read; then again when it can be."""
    written: Callable[[Sequence[int], str | None], None]
    """These may go to their doors; with what keeps them from the disk, where something does."""
    gone: Callable[[frozenset[int]], None]
    """Another process has taken something out; this is what is left."""


class Writer:
    """Owns the file while it runs. What the disk does not take is kept in memory and offered again."""

    def __init__(self, file: OutboxFile, told: Told) -> None:
        self._file = file
        self._told = told
        self._inbox: queue.SimpleQueue[_Put | Ended | _Close] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._puts: dict[int, Waiting] = {}
        self._ends: dict[int, Ended] = {}
        self._fresh: list[int] = []
        self._memory: Memory | None = None
        self._urgent = False
        self._is_open = self._was_open = False
        self._fault: str | None = None
        self._fault_told: str | None = None
        self._on_disk = 0
        self._unflushed = False
        self._kept_at_s = self._looked_at_s = time.monotonic()

    def start(self) -> None:
        """Begin; `told.found` follows."""
        self._thread.start()

    def put(self, waiting: Sequence[Waiting], memory: Memory | None, *, urgent: bool = True) -> None:
        """Write these and what the rules remember as one; a memory that is not urgent may wait a little."""
        self._inbox.put(_Put(waiting=tuple(waiting), memory=memory, urgent=urgent))

    def end(self, ended: Ended) -> None:
        """Write what became of one."""
        self._inbox.put(ended)

    def close(self) -> None:
        """Write what is left, and end."""
        self._inbox.put(_Close())

    def join(self, timeout_s: float) -> int:
        """Wait for the end; return how many were never written."""
        self._thread.join(timeout_s)
        return len(self._puts)

    def _run(self) -> None:
        self._begin()
        closing = False
        while not closing:
            closing = self._collect()
            if closing or self._due():
                self._commit()
            if closing or time.monotonic() - self._looked_at_s >= LOOK_EVERY_S:
                self._look_around()
        self._file.close()

    def _collect(self) -> bool:
        """Take all that has come, waiting for the first; return whether it is the end."""
        wait_s = max(0.0, self._looked_at_s + LOOK_EVERY_S - time.monotonic())
        try:
            item = self._inbox.get(timeout=wait_s)
            while True:
                match item:
                    case _Put():
                        self._take(item)
                    case Ended():
                        self._puts.pop(item.seq, None)
                        self._ends[item.seq] = item
                        self._urgent = True
                    case _Close():
                        return True
                item = self._inbox.get_nowait()
        except queue.Empty:
            return False

    def _take(self, put: _Put) -> None:
        self._puts.update((each.seq, each) for each in put.waiting)
        self._fresh += [each.seq for each in put.waiting]
        self._memory = put.memory or self._memory
        self._urgent = self._urgent or put.urgent

    def _due(self) -> bool:
        kept_long = time.monotonic() - self._kept_at_s >= KEEP_EVERY_S
        return self._urgent or (self._memory is not None and kept_long)

    def _commit(self, *, again: bool = False) -> None:
        """Write what there is; a disk that has just failed is not asked before it is tried `again`."""
        fresh, self._fresh = self._fresh, []
        try:
            if self._fault is None or again:
                self._write()
        except (sqlite3.Error, OSError) as error:
            self._failed(str(error))
        except Exception as error:  # noqa: BLE001 - whatever ails the file, what was decided goes to its doors
            self._failed(f"{type(error).__name__}: {error}", unexpected=error)
        if fresh or self._fault != self._fault_told:
            self._fault_told = self._fault
            self._told.written(fresh, self._fault)
        self._urgent = False

    def _write(self) -> None:
        if not self._is_open:
            self._open()
        memory = None if self._memory is None else self._memory()
        self._file.commit(self._puts.values(), self._ends.values(), memory)
        self._on_disk += len(self._puts) - len(self._ends)
        self._unflushed = self._unflushed or bool(self._puts)
        self._puts, self._ends, self._memory = {}, {}, None
        self._kept_at_s = time.monotonic()
        if self._fault is not None:
            self._fault = None
            _log.info("the outbox reaches %s again", self._file.path)

    def _begin(self) -> None:
        try:
            self._open()
        except StateFolderError as error:
            self._told.found(error)
        except (sqlite3.Error, OSError) as error:
            self._failed(str(error))
            self._told.found(None)

    def _open(self) -> None:
        found = self._file.open()
        self._is_open = True
        self._on_disk = len(found.waiting)
        if not self._was_open:
            self._was_open = True
            self._told.found(found)

    def _failed(self, fault: str, *, unexpected: Exception | None = None) -> None:
        if self._fault is None:
            _log.warning(
                "actions are kept in memory: cannot write %s: %s", self._file.path, fault, exc_info=unexpected
            )
        self._fault = fault
        # Opening it again looks for damage.
        self._file.close()
        self._is_open = False
        while len(self._ends) > MAX_UNWRITTEN:
            del self._ends[next(iter(self._ends))]

    def _look_around(self) -> None:
        """Try again what failed, notice what others took out, and give the disk what only the kernel has."""
        self._looked_at_s = time.monotonic()
        if self._fault is not None:
            self._commit(again=True)
        if not self._is_open:
            return
        try:
            if self._file.changed_elsewhere():
                self._told.gone(self._file.left())
            still_waiting = self._unflushed and self._on_disk > 0
            if still_waiting or self._file.log_bytes() > MAX_LOG_BYTES:
                self._file.flush()
                self._unflushed = False
        except (sqlite3.Error, OSError) as error:
            self._failed(str(error))
