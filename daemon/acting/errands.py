"""Requests that take time: each target's in their order, no target waiting for another, none for ever."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from foundation.backoff import Backoff
from foundation.errors import EndpointUnavailable, HeardError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from rules.model import ActionRequest

    Done = Callable[[ActionRequest, Exception | None], None]

MAX_WAITING = 100
"""Requests to one target; where more wait, the oldest are given up."""

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 10.0
STOP_PATIENCE_S = 3.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One kind of request, and how it is carried out."""

    do: Callable[[ActionRequest], Awaitable[None]]
    """Raises RetryableError where it may be tried again, any other HeardError where it may not."""
    target: Callable[[ActionRequest], str]
    """Names what must not be overtaken, and what may be slow without holding up others."""
    expires_s: float
    """What has not been done after this is given up: a light that goes on a minute late surprises."""


class _Waiting(NamedTuple):
    errand: Errand
    request: ActionRequest
    done: Done
    until_s: float
    """By the monotonic clock."""


class Errands:
    """Runs while its `async with` lasts; at the end what is under way gets a little time."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[_Waiting]] = {}
        self._group = asyncio.TaskGroup()
        self._workers: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._workers:
            await asyncio.wait(self._workers, timeout=STOP_PATIENCE_S)
        for worker in self._workers:
            worker.cancel()
        cancelled = error if isinstance(error, asyncio.CancelledError) else None
        await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
        if left := sum(map(len, self._queues.values())):
            _log.warning("stopped with %d actions that were never carried out", left)

    def put(self, errand: Errand, request: ActionRequest, done: Done) -> None:
        """Carry out a request as soon as those before it are; `done` is told how it ended."""
        target = errand.target(request)
        queue = self._queues.get(target)
        waiting = _Waiting(errand, request, done, time.monotonic() + errand.expires_s)
        if queue is not None:
            if len(queue) >= MAX_WAITING:
                oldest = queue.popleft()
                oldest.done(oldest.request, EndpointUnavailable(f"given up: {MAX_WAITING} others wait"))
            queue.append(waiting)
            return
        self._queues[target] = deque([waiting])
        worker = self._group.create_task(self._work(target), name=f"errands {target}")
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _work(self, target: str) -> None:
        queue = self._queues[target]
        while queue:
            waiting = queue.popleft()
            waiting.done(waiting.request, await self._carry_out(waiting))
        del self._queues[target]

    async def _carry_out(self, waiting: _Waiting) -> Exception | None:
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MAX_S, steady_after_s=BACKOFF_MAX_S)
        while True:
            try:
                async with asyncio.timeout_at(
                    asyncio.get_running_loop().time() + waiting.until_s - time.monotonic()
                ):
                    await waiting.errand.do(waiting.request)
            except RetryableError as error:
                wait_s = backoff.after(0.0)
                if time.monotonic() + wait_s >= waiting.until_s:
                    return error
                await asyncio.sleep(wait_s)
            except TimeoutError:
                return EndpointUnavailable(f"given up after {waiting.errand.expires_s:g} s")
            except HeardError as error:
                return error
            except Exception as error:  # noqa: BLE001 - a fault in one errand must not end the others
                _log.exception("an action failed")
                return error
            else:
                return None
