"""Threads of the API's own: however many ask, the history and the clips still get to the disk."""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from foundation.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable

NICENESS = 5
"""What the API works out gives way to hearing."""
WORKERS = 2
MOST_WAITING = 64

_Result = TypeVar("_Result")


class TooBusy(RetryableError):
    """More is asked than is worked off."""


class Workers:
    """Work that blocks, a little at a time."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="api", initializer=_give_way)
        self._waiting = 0

    async def do(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns. Raises TooBusy where too much waits already."""
        if self._waiting >= MOST_WAITING:
            raise TooBusy("too much is asked at once; try again in a few seconds")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Take no more work; what has begun comes to its end by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    # Linux gives each thread a niceness of its own; elsewhere it stays as it is.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
