"""The API is found in the network, on loopback here, and no longer when it is gone."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from zeroconf import ServiceStateChange
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from foundation.backoff import Backoff
from integrations import zeroconf_announcement
from integrations.zeroconf_announcement import SERVICE, Announcement, announced

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOOPBACK = ["127.0.0.1"]
PATIENCE_S = 10.0


NODE = f"Küche 1.Stock {os.getpid()}"
"""Of this process alone: others may look around on loopback at the same time."""


def announcement(**changed: Any) -> Announcement:
    said = {"installation": "0" * 32, "node": NODE, "version": "0.1.0", "port": 8765}
    return Announcement(**{**said, "host": "127.0.0.1", **changed})


class Found:
    """What somebody who looks around has seen."""

    def __init__(self, eyes: AsyncZeroconf) -> None:
        self._eyes = eyes
        self.seen: dict[ServiceStateChange, asyncio.Queue[str]] = {
            change: asyncio.Queue() for change in ServiceStateChange
        }
        self.browser = AsyncServiceBrowser(eyes.zeroconf, SERVICE, handlers=[self._changed])

    def _changed(self, *, name: str, state_change: ServiceStateChange, **_: Any) -> None:
        if name.startswith(NODE.replace(".", "-")):
            self.seen[state_change].put_nowait(name)

    async def next(self, change: ServiceStateChange) -> str:
        return await asyncio.wait_for(self.seen[change].get(), PATIENCE_S)

    async def info(self, name: str) -> AsyncServiceInfo:
        info = AsyncServiceInfo(SERVICE, name)
        assert await info.async_request(self._eyes.zeroconf, PATIENCE_S * 1_000)
        return info


@pytest.fixture
async def found() -> AsyncIterator[Found]:
    eyes = AsyncZeroconf(interfaces=LOOPBACK)
    looking = Found(eyes)
    yield looking
    await looking.browser.async_cancel()
    await eyes.async_close()


async def test_it_is_found_and_taken_back(found: Found) -> None:
    """Who looks around learns id, node, version, address and port; afterwards it is gone at once."""
    async with announced(announcement()):
        name = await found.next(ServiceStateChange.Added)
        info = await found.info(name)
        assert info.parsed_addresses() == LOOPBACK
        assert info.port == 8765
        assert info.decoded_properties == {"id": "0" * 32, "node": NODE, "version": "0.1.0"}
    assert await found.next(ServiceStateChange.Removed) == name


async def test_two_of_the_same_name_are_both_found(found: Found) -> None:
    """The second one is given another name: their ids tell them apart."""
    async with announced(announcement()):
        first = await found.next(ServiceStateChange.Added)
        async with announced(announcement(installation="1" * 32, port=8766)):
            second = await found.next(ServiceStateChange.Added)
            assert [(await found.info(name)).port for name in (first, second)] == [8765, 8766]


async def test_a_network_that_is_not_there_yet_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, and tried again."""
    tried = asyncio.Queue[None]()

    def nowhere(_: str) -> list[str]:
        tried.put_nowait(None)
        raise OSError("this machine has no address in any network")

    monkeypatch.setattr(zeroconf_announcement, "_addresses", nowhere)
    monkeypatch.setattr(Backoff, "after", lambda *_: 0.01)
    async with announced(announcement()):
        for _ in range(2):
            await asyncio.wait_for(tried.get(), PATIENCE_S)
