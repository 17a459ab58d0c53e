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
REQUEST_ID = "X-Heard-Request"
"""The same for the same action, however often it is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """What every webhook shares."""

    secret: str = field(default="", repr=False)
    """Empty: requests are not signed."""
    allow_private: bool = False
    """Whether addresses of the own network may be asked."""


class Webhooks:
    """Sends requests while its `async with` lasts."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        resolver = None if self._settings.allow_private else _PublicResolver()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver),
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
                status = answer.status
        except _NotPublic as error:
            raise ActionError(str(error)) from None
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if isinstance(error.__cause__, _NotPublic):
                raise ActionError(str(error.__cause__)) from None
            raise EndpointUnavailable(f"{_shown(url)} does not answer: {type(error).__name__}") from None
        if status in TRY_AGAIN:
            raise EndpointUnavailable(f"{_shown(url)} answers {status}")
        if status >= 300:
            raise ActionError(f"{_shown(url)} answers {status}")

    def _headers(self, request: ActionRequest, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": str(request.data["content_type"]),
            "User-Agent": "heard",
            REQUEST_ID: request.id,
            **{str(name): str(value) for name, value in request.data["headers"].items()},
        }
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


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _refusal(host: str) -> str:
    return (
        f"{host} is an address of the own network: say 'webhooks: {{allow_private: true}}' in the"
        " configuration to allow them"
    )


def _shown(url: URL) -> str:
    # What stands behind the host may be a secret.
    return str(url.origin())
