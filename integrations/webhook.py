"""`webhook.post`: requests over HTTP, signed, with a time limit, and not into the own network."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from foundation.errors import ActionError, EndpointUnavailable

if TYPE_CHECKING:
    from types import TracebackType

    from rules.model import ActionRequest

TIMEOUT_S = 10.0
TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be another the next time."""
SIGNATURE = "X-Heard-Signature"
"""`sha256=` and the HMAC of the body with the configured secret."""
REQUEST_IDS = ("X-Heard-Id", "Idempotency-Key")
"""Both say the same for the same action, however often it is sent; some services know the second."""
LEFT_ALONE_S = 3_600.0
"""A service that asks for more patience is tried after this all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What every webhook shares."""

    secret: str = field(default="", repr=False)
    """Empty: requests are not signed."""
    allow_private: bool = False
    """Whether addresses of the own network may be asked."""


_EMBEDDING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))


class Webhooks:
    """Sends requests while its `async with` lasts."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        if self._settings.allow_private:
            connector = aiohttp.TCPConnector()
        else:
            connector = aiohttp.TCPConnector(resolver=_PublicResolver(), socket_factory=_public_socket)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def post(self, request: ActionRequest) -> None:
        """Send one request; raises EndpointUnavailable or ActionError."""
        assert self._session is not None
        data = request.data
        url = self._checked(str(data["url"]))
        body = str(data["body"]).encode()
        try:
            async with self._session.request(
                str(data["method"]),
                url,
                data=body,
                headers=self._headers(request, body),
                allow_redirects=False,
            ) as answer:
                status, again_after = answer.status, answer.headers.get("Retry-After", "")
        except _NotPublic as error:
            raise ActionError(str(error)) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error.__cause__, _NotPublic):
                raise ActionError(str(error.__cause__)) from None
            raise EndpointUnavailable(f"{_shown(url)} does not answer: {type(error).__name__}") from None
        if status in TRY_AGAIN:
            again_after_s = min(float(again_after), LEFT_ALONE_S) if again_after.isdecimal() else 0.0
            raise EndpointUnavailable(f"{_shown(url)} answers {status}", again_after_s=again_after_s)
        if status >= 300:
            raise ActionError(f"{_shown(url)} answers {status}")

    def _headers(self, request: ActionRequest, body: bytes) -> CIMultiDict[str]:
        headers = CIMultiDict({"Content-Type": str(request.data["content_type"]), "User-Agent": "heard"})
        headers.update({str(name): str(value) for name, value in request.data["headers"].items()})
        headers.update(dict.fromkeys(REQUEST_IDS, request.id))
        if any("\r" in value or "\n" in value for value in headers.values()):
            raise ActionError("a header of a webhook holds a line break")
        if self._settings.secret:
            digest = hmac.new(self._settings.secret.encode(), body, "sha256").hexdigest()
            headers[SIGNATURE] = f"sha256={digest}"
        return headers

    def _checked(self, text: str) -> URL:
        url = _url(text)
        assert url.host is not None
        if not self._settings.allow_private and _is_private(url.host):
            raise ActionError(_refusal(url.host))
        return url


def webhook_target(text: str) -> str:
    """Name where a webhook goes, for people and for order: what stands behind the host may be a secret."""
    url = _url(text)
    place = blake2b(url.path.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{_shown(url)} {place}"


class _NotPublic(OSError):
    """A name leads into the own network."""


class _PublicResolver(AbstractResolver):
    """Gives only addresses of the open internet, looked up at the moment of connecting."""

    def __init__(self) -> None:
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        public = [each for each in found if not _is_private(each["host"])]
        if found and not public:
            raise _NotPublic(_refusal(host))
        return public

    async def close(self) -> None:
        await self._resolver.close()


def _url(text: str) -> URL:
    # Not repeated in the message: what does not even look like a URL may hold a secret as well.
    try:
        url = URL(text)
    except ValueError:
        raise ActionError("the webhook's 'url' is not a URL") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise ActionError("the webhook's 'url' is not a URL that begins with https:// or http://")
    return url


def _public_socket(found: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket of one connection: the last place that an address passes, however it was written."""
    family, kind, protocol, _, place = found
    host = str(place[0])
    if _address(host) is None or _is_private(host):
        raise _NotPublic(_refusal(host))
    return socket.socket(family, kind, protocol)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that is written there, in full or as C reads it (`127.1`); None: it is a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def _is_private(host: str) -> bool:
    address = _address(host)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not all(map(_is_public, (mapped or address, *_inside(address))))


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not address.is_multicast and not site_local


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """Return the addresses of version 4 that one of version 6 stands for; gateways lead there."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    known = [address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _EMBEDDING):
        known.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [each for each in known if each is not None]


def _refusal(host: str) -> str:
    return (
        f"{host} is an address of the own network: say 'webhooks: {{allow_private: true}}' in the"
        " configuration to allow them"
    )


def _shown(url: URL) -> str:
    # What stands behind the host may be a secret.
    return str(url.origin())
