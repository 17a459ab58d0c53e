"""How a background task and its owner end together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

import pytest

from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType


class Owner:
    """The smallest class that has a background task."""

    def __init__(self, work: Coroutine[None, None, None], patience_s: float = 0.0) -> None:
        self._work = work
        self._patience_s = patience_s
        self._task = OwnedTask()

    async def __aenter__(self) -> Self:
        await self._task.start(self._work, name="work")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._task.stop(error, patience_s=self._patience_s)


async def fail() -> None:
    raise ZeroDivisionError


async def test_the_task_ends_with_its_owner() -> None:
    """What would run for ever is cancelled."""
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with Owner(work()):
        await asyncio.sleep(0)
    assert ended.is_set()


async def test_patience_lets_the_task_finish() -> None:
    """Work that comes to its end by itself is not cut off."""
    done: list[int] = []

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    async with Owner(work(), patience_s=10.0):
        pass
    assert done == [1]


async def test_a_fault_of_the_task_ends_the_body() -> None:
    """Nobody goes on believing that the work is being done."""

    async def body() -> None:
        async with Owner(fail()):
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await asyncio.wait_for(body(), 10.0)
    assert caught.group_contains(ZeroDivisionError)


async def test_the_bodys_own_error_comes_out_as_it_is() -> None:
    """No group is wrapped around it."""

    async def body() -> None:
        async with Owner(asyncio.Event().wait()):  # type: ignore[arg-type] # any coroutine that never ends
            raise KeyError

    with pytest.raises(KeyError):
        await body()


async def test_cancelling_the_owner_cancels_both() -> None:
    """A cancellation passes through and leaves no task behind."""
    cancelled = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def body() -> None:
        async with Owner(work()):
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert cancelled.is_set()
