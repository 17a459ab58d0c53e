"""Each target's requests in their order, no target waiting for another, none for ever."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from daemon.outbox.entries import expired
from foundation.backoff import Backoff
from foundation.errors import EndpointUnavailable, HeardError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from daemon.outbox.entries import Entry

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 30.0
BACKOFF_SHARE = 0.1
"""Of what a request has to live: a light is tried every second, a webhook of today every half minute."""
STOP_PATIENCE_S = 3.0
"""What is under way is given so long, and what has been longer than that already is not waited for."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Lane:
    """What waits for one target."""

    entries: deque[Entry] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    worker: asyncio.Task[None] | None = None
    tried_s: float = math.inf
    """Since when its first request is under way, by the loop's clock."""


class Lanes:
    """Delivers while its `async with` lasts. `carry_out` tries once; `ended` is told how each one ended."""

    def __init__(
        self,
        carry_out: Callable[[Entry], Awaitable[None]],
        ended: Callable[[Entry, Exception | None], None],
    ) -> None:
        self._carry_out = carry_out
        self._ended = ended
        self._lanes: dict[str, Lane] = {}
        self._group = asyncio.TaskGroup()
        self._workers: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        for lane in self._lanes.values():
            if (
                asyncio.get_running_loop().time() - lane.tried_s >= STOP_PATIENCE_S
                and lane.worker is not None
            ):
                lane.worker.cancel()
        if self._workers:
            await asyncio.wait(self._workers, timeout=STOP_PATIENCE_S)
        for worker in self._workers:
            worker.cancel()
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)

    def waiting(self, target: str) -> deque[Entry]:
        """Return what waits for a target, in order; the first may be under way."""
        lane = self._lanes.get(target)
        return deque() if lane is None else lane.entries

    def all(self) -> dict[str, deque[Entry]]:
        """Return what waits, by target."""
        return {target: lane.entries for target, lane in self._lanes.items()}

    def append(self, entry: Entry) -> None:
        """Let one wait behind the others of its target. It is not tried before `ready`."""
        lane = self._lanes.get(entry.target)
        if lane is None:
            lane = self._lanes[entry.target] = Lane()
            worker = self._group.create_task(self._work(entry.target, lane), name=f"outbox {entry.target}")
            lane.worker = worker
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        lane.entries.append(entry)

    def ready(self, entry: Entry) -> None:
        """Let one go when those before it have gone."""
        entry.ready = True
        if (lane := self._lanes.get(entry.target)) is not None:
            lane.news.set()

    def give_up(self, entry: Entry, why: HeardError) -> None:
        """Deliver one no more; what is under way is broken off."""
        if entry.trying is not None:
            entry.given_up = why
            with suppress(RuntimeError):  # it is ending this very moment
                entry.trying.reschedule(0.0)
            return
        lane = self._lanes[entry.target]
        lane.entries.remove(entry)
        lane.news.set()
        self._ended(entry, why)

    async def _work(self, target: str, lane: Lane) -> None:
        while lane.entries:
            entry = lane.entries[0]
            if not entry.ready:
                lane.news.clear()
                await lane.news.wait()
                continue
            try:
                failure = await self._try(entry, lane)
            except _LeftForLater:
                return
            lane.entries.popleft()
            self._ended(entry, failure)
        del self._lanes[target]

    async def _try(self, entry: Entry, lane: Lane) -> Exception | None:
        if entry.until_s <= asyncio.get_running_loop().time():
            return expired(entry)
        most_s = min(BACKOFF_MAX_S, BACKOFF_SHARE * entry.expires_s)
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=most_s, steady_after_s=most_s)
        limit = asyncio.timeout_at(entry.until_s)
        try:
            async with limit:
                entry.trying = limit
                while True:
                    lane.tried_s = asyncio.get_running_loop().time()
                    try:
                        await self._carry_out(entry)
                    except RetryableError as error:
                        entry.problem = str(error)
                        asked_s = error.again_after_s if isinstance(error, EndpointUnavailable) else 0.0
                    else:
                        return None
                    await self._pause(max(backoff.after(0.0), asked_s))
        except _LeftForLater:
            raise
        except HeardError as error:
            return error
        except TimeoutError as error:
            return (entry.given_up or expired(entry)) if limit.expired() else error
        except Exception as error:  # noqa: BLE001 - a fault in one errand must not end the others
            _log.exception("an action failed")
            return error
        finally:
            entry.trying = None
            lane.tried_s = math.inf

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        if self._stopping.is_set():
            raise _LeftForLater


class _LeftForLater(Exception):
    """The daemon stops, and the target does not answer now."""
