"""Holds what rules decided until its door has taken it. A door only gets what the disk has."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from daemon.outbox.entries import (
    PushedOut,
    TakenOut,
    ended,
    expired,
    hand_over,
    made_ready,
    outline,
    read_again,
    unreadable,
)
from daemon.outbox.figures import Figures, figures
from daemon.outbox.file import Found, OutboxFile, Outcome, read_waiting
from daemon.outbox.lanes import Lanes
from daemon.outbox.request_json import load_request, load_sound
from daemon.outbox.waiting import DISK_PATIENCE_S, Waiting
from daemon.outbox.writer import Told, Writer
from foundation.errors import EndpointUnavailable, StateFolderError
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from daemon.outbox.entries import Entry
    from daemon.outbox.errand import Errand
    from daemon.outbox.writer import Memory
    from detectors.types import SoundEvent
    from rules.model import ActionRequest

KEEP_READ = 50
"""Requests to one target that memory holds; the rest of a long queue is on disk alone."""
SWEEP_EVERY_S = 0.25
REBOOT_S = 20.0
"""No machine is back sooner, whatever a clock without a battery says: no light of before goes on then."""
SOUNDS_S = 3_600.0
"""Sounds of requests that ended so shortly before the start are offered to the history again."""
CLOSE_PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


class Outbox:
    """Works while its `async with` lasts. No method waits for the disk; leaving does.

    Entering raises StateFolderError if the file is newer than this program; other faults are waited out, and
    actions delivered from memory meanwhile.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer = Writer(
            OutboxFile(path),
            Told(
                found=lambda found: self._call(self._on_found, found),
                written=lambda seqs, fault: self._call(self._on_written, seqs, fault),
                gone=lambda left: self._call(self._on_gone, left),
            ),
        )
        self._lanes = Lanes(self._carry_out, self._on_ended)
        self._sweeper = OwnedTask()
        self._first: asyncio.Future[Found | StateFolderError | None] | None = None
        self._found: Found | None = None
        self._begun = False
        self._waiting = Waiting()
        self._last_seq = 0
        self._fault: str | None = None
        self._counts: Counter[Outcome] = Counter()

    @property
    def memory(self) -> str | None:
        """What the rules remembered when what waits was decided; None: nothing was kept."""
        return None if self._found is None else self._found.memory

    def sounds(self) -> list[SoundEvent]:
        """Return the sounds that the history may lack, as it is written apart from this; before `begin`."""
        found = self._found
        if found is None:
            return []
        since = time.time() - SOUNDS_S
        known = {each.event: None for each in found.ended if each.event and each.ended_at >= since}
        sounds = [load_sound(event) for event in known]
        for row in found.waiting:
            with suppress(ValueError):  # `begin` tells of it
                event = load_request(row.body).event
                sounds += [] if event is None else [event]
        return sounds

    def begin(
        self,
        errand_for: Callable[[str], Errand],
        on_done: Callable[[ActionRequest, Exception | None], None],
    ) -> None:
        """Deliver from now on, first what was left; `errand_for` knows the doors, or raises ActionError."""
        self._errand_for = errand_for
        self._on_done = on_done
        self._begun = True
        if self._found is not None:
            self._resume(self._found)
            self._found = replace(self._found, waiting=(), ended=())

    def entry(self, errand: Errand, request: ActionRequest) -> Entry:
        """Make ready to put a request in; raises what `errand` does where it makes no sense."""
        return made_ready(errand, request, now_s=asyncio.get_running_loop().time())

    def put(self, entries: Iterable[Entry], memory: Memory | None) -> None:
        """Keep requests, together with the state of the rules that they belong to, then deliver them.

        What waits already, by its id, is not put in twice.
        """
        rows = []
        for entry in entries:
            if entry.id in self._waiting:
                continue
            self._last_seq = entry.seq = max(self._last_seq + 1, time.time_ns() // 1_000)
            self._make_room(entry.size)
            self._waiting.hand_over(entry, self._loop.time())
            self._add(entry)
            rows.append(hand_over(entry))
        self._writer.put(rows, memory)

    def remember(self, memory: Memory) -> None:
        """Keep the state of the rules, some time soon."""
        self._writer.put((), memory, urgent=False)

    def figures(self) -> Figures:
        """Return how the outbox is."""
        return figures(self._lanes.all(), self._counts, self._fault)

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._first = self._loop.create_future()
        self._writer.start()
        found = await self._first
        if isinstance(found, StateFolderError):
            self._writer.close()
            raise found
        await self._lanes.__aenter__()
        await self._sweeper.start(self._sweep(), name="outbox sweeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._sweeper.stop(error)
        finally:
            try:
                await self._lanes.__aexit__(kind, error, trace)
            finally:
                await self._close()

    async def _close(self) -> None:
        self._writer.close()
        unwritten = await asyncio.to_thread(self._writer.join, CLOSE_PATIENCE_S)
        if unwritten:
            _log.error("stopped with %d actions that were never carried out, nor written", unwritten)
        elif self._waiting:
            _log.info("stopped with %d actions that the next start carries out", len(self._waiting))

    # --- told by the writer ------------------------------------------------------------------------------

    def _call(self, what: Callable[..., None], *values: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *values)
        except RuntimeError:
            _log.warning("the disk answered after the daemon had stopped")

    def _on_found(self, found: Found | StateFolderError | None) -> None:
        assert self._first is not None
        if self._begun:
            # The disk was not there at the start, and is now.
            if isinstance(found, Found):
                self._resume(found)
            return
        self._found = found if isinstance(found, Found) else None
        if not self._first.done():
            self._first.set_result(found)

    def _on_written(self, seqs: Sequence[int], fault: str | None) -> None:
        if fault is None and self._fault is not None:
            for entry in self._waiting:
                entry.on_disk = entry.on_disk or self._waiting.is_written(entry)
        self._fault = fault
        for seq in seqs:
            written = self._waiting.written(seq)
            if written is not None:
                written.on_disk = fault is None
                self._let_go(written)

    def _on_gone(self, left: frozenset[int]) -> None:
        for entry in self._waiting:
            if entry.on_disk and entry.seq not in left:
                self._lanes.give_up(entry, TakenOut("taken out of the outbox"))

    # --- on its way --------------------------------------------------------------------------------------

    def _resume(self, found: Found) -> None:
        least_s = REBOOT_S if found.rebooted else 0.0
        for row in found.waiting:
            self._last_seq = max(self._last_seq, row.seq)
            try:
                entry = read_again(row, now_s=self._loop.time(), least_s=least_s)
            except ValueError as fault:
                _log.warning("an action that was left in %s cannot be read: %s", self._path, fault)
                self._writer.end(unreadable(row, fault))
                continue
            if entry.id not in self._waiting:
                self._add(entry)
                self._let_go(entry)

    def _add(self, entry: Entry) -> None:
        self._waiting.add(entry)
        self._lanes.append(entry)

    def _let_go(self, entry: Entry) -> None:
        if entry.on_disk and len(self._lanes.waiting(entry.target)) > KEEP_READ:
            entry.request = None
        self._lanes.ready(entry)

    def _make_room(self, size: int) -> None:
        while not self._waiting.has_room(size):
            fullest = max(self._lanes.all().values(), key=len)
            # What is under way goes on, unless there is nothing else.
            oldest = next((entry for entry in fullest if entry.trying is None), None)
            if oldest is None:
                return
            self._lanes.give_up(oldest, PushedOut(f"given up: {len(self._waiting)} others wait"))

    async def _carry_out(self, entry: Entry) -> None:
        if entry.request is None:
            await self._read(entry)
        assert entry.request is not None
        await self._errand_for(entry.action).do(entry.request)

    async def _read(self, entry: Entry) -> None:
        """Bring back what only the disk has, and what follows it."""
        queue = islice(self._lanes.waiting(entry.target), KEEP_READ)
        wanted = {each.seq: each for each in queue if each.request is None}
        try:
            rows = await asyncio.to_thread(read_waiting, self._path, list(wanted))
        except (sqlite3.Error, OSError) as error:
            raise EndpointUnavailable(f"the outbox cannot be read: {error}") from error
        for row in rows:
            wanted[row.seq].request = load_request(row.body)
        if entry.request is None:
            raise TakenOut("taken out of the outbox")

    def _on_ended(self, entry: Entry, failure: Exception | None) -> None:
        self._waiting.remove(entry)
        what = ended(entry, failure)
        self._counts[what.outcome] += 1
        if what.outcome is not Outcome.DROPPED:
            # Whoever took it out has noted that.
            self._writer.end(what)
        self._on_done(entry.request or outline(entry), failure)

    async def _sweep(self) -> None:
        """Give up what is no longer worth it, and do not wait for a disk that hangs."""
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            now_s = self._loop.time()
            for entry in self._waiting.expired(now_s):
                self._lanes.give_up(entry, expired(entry))
            for entry in self._waiting.let_go(now_s):
                self._fault = f"the disk does not answer for {DISK_PATIENCE_S:g} s"
                self._let_go(entry)
