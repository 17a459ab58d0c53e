"""Announces the API in the local network, so that Home Assistant and others find it by themselves."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from foundation.backoff import Backoff
from foundation.owned_task import OwnedTask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

SERVICE = "_heard._tcp.local."

MOST_NAME_BYTES = 63
"""A label of DNS holds no more."""
FAREWELL_WITHIN_S = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What others are told."""

    installation: str
    """Tells this installation from every other one."""
    node: str
    version: str
    host: str
    """Where the API listens: an address, whose network is told alone, or 0.0.0.0 or :: for all of them."""
    port: int
    tls: bool = False


@asynccontextmanager
async def announced(announcement: Announcement) -> AsyncIterator[None]:
    """Let others find the API for as long as this lasts.

    Where the network does not carry it, it is tried again: hearing does not depend on it.
    """
    task = OwnedTask()
    await task.start(_announce(announcement), name="zeroconf")
    try:
        yield
    finally:
        await task.stop(None)


async def _announce(announcement: Announcement) -> None:
    from zeroconf import Error

    backoff = Backoff(first_s=5.0, most_s=300.0, steady_after_s=60.0)
    while True:
        began_s = time.monotonic()
        try:
            await _stay_announced(announcement)
        except (OSError, Error) as error:
            _log.warning("the API cannot be announced in the network: %s", error)
        await asyncio.sleep(backoff.after(time.monotonic() - began_s))


async def _stay_announced(announcement: Announcement) -> None:
    """Announce until cancelled, then take it back. Raises OSError or what zeroconf does."""
    from zeroconf import InterfaceChoice
    from zeroconf.asyncio import AsyncZeroconf

    service = _service(announcement)
    everywhere = ip_address(announcement.host).is_unspecified
    interfaces = InterfaceChoice.All if everywhere else [announcement.host]
    voice = AsyncZeroconf(interfaces=interfaces)
    try:
        await voice.async_register_service(service, allow_name_change=True)
        _log.info("announced in the network as %s", service.name)
        await asyncio.Event().wait()
    finally:
        await _say_goodbye(voice)


async def _say_goodbye(voice: AsyncZeroconf) -> None:
    try:
        async with asyncio.timeout(FAREWELL_WITHIN_S):
            await voice.async_unregister_all_services()
    except TimeoutError:
        _log.debug("nobody was told that the API is gone")
    finally:
        await voice.async_close()


def _service(announcement: Announcement) -> AsyncServiceInfo:
    from zeroconf.asyncio import AsyncServiceInfo

    return AsyncServiceInfo(
        SERVICE,
        f"{_label(announcement.node)}.{SERVICE}",
        port=announcement.port,
        server=f"heard-{_label(announcement.installation)[:12]}.local.",
        parsed_addresses=_addresses(announcement.host),
        properties={
            "id": announcement.installation,
            "node": announcement.node,
            "version": announcement.version,
            **({"tls": "1"} if announcement.tls else {}),
        },
    )


def _addresses(host: str) -> list[str]:
    """Return the addresses under which the API is reached. Raises OSError where there are none."""
    import ifaddr

    if not ip_address(host).is_unspecified:
        return [host]
    known = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    found = sorted(address for address in known if not ip_address(address).is_loopback)
    if not found:
        raise OSError("this machine has no address in any network")
    return found


def _label(name: str) -> str:
    """Return as much of a name as fits; a dot would begin the next level."""
    return name.replace(".", "-").encode()[:MOST_NAME_BYTES].decode(errors="ignore")
