"""The network is told of the API, where that is wanted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from daemon.api.settings import ApiConfig
from integrations.zeroconf_announcement import SERVICE
from tests.daemon.api.serving import serving


async def test_who_looks_around_finds_a_daemon_and_asks_it(tmp_path: Path) -> None:
    """What is announced leads to an API that answers with the same id."""
    found = asyncio.Queue[str]()
    eyes = AsyncZeroconf(interfaces=["127.0.0.1"])

    def changed(*, name: str, **_: Any) -> None:
        found.put_nowait(name)

    browser = AsyncServiceBrowser(eyes.zeroconf, SERVICE, handlers=[changed])
    async with serving(tmp_path, api={"announce": True}) as heard:
        info = AsyncServiceInfo(SERVICE, await asyncio.wait_for(found.get(), 20))
        assert await info.async_request(eyes.zeroconf, 5_000)
        status = (await heard.get("/api/v1/status")).json
        assert info.decoded_properties["id"] == status["id"]
        assert heard.url == f"http://127.0.0.1:{info.port}"
    await browser.async_cancel()
    await eyes.async_close()


@pytest.mark.parametrize(
    ("settings", "announced"),
    [
        ({}, False),
        ({"host": "0.0.0.0"}, True),
        ({"host": "0.0.0.0", "announce": False}, False),
        ({"announce": True}, True),
    ],
)
def test_loopback_is_not_announced_unless_somebody_wants_it(
    settings: dict[str, Any], *, announced: bool
) -> None:
    """What only this machine can reach need not be found by others."""
    assert ApiConfig(**settings).announced is announced
