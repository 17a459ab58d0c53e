"""A background task that belongs to an `async with`: its fault ends the body, the body's end stops it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Coroutine


class OwnedTask:
    """Runs one coroutine between `start` and `stop`, both called in the owner's own task.

    If the coroutine fails, the owner's task is cancelled and `stop` raises the fault as an ExceptionGroup.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def start(self, work: Coroutine[None, None, None], *, name: str) -> None:
        """Begin; to be called in `__aenter__`."""
        await self._group.__aenter__()
        self._task = self._group.create_task(work, name=name)

    async def stop(self, error: BaseException | None, *, patience_s: float = 0.0) -> None:
        """Give the coroutine `patience_s` to come to its end, then cancel it; to be called in `__aexit__`.

        `error` is what `__aexit__` was given. The coroutine has ended when this returns or raises.
        """
        assert self._task is not None
        try:
            await asyncio.wait({self._task}, timeout=patience_s)
        finally:
            self._task.cancel()
            # A group would wrap the body's own error; only its cancellation is the group's business.
            cancelled = error if isinstance(error, asyncio.CancelledError) else None
            await self._group.__aexit__(type(cancelled) if cancelled else None, cancelled, None)
