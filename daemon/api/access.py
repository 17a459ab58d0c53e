"""Who is let in: by what name they call us, from where they come, and which token they have."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiohttp import web
from yarl import URL

from daemon.api.problems import Refused
from daemon.api.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.api.answers import Handler
    from daemon.api.limits import RateLimit
    from daemon.api.settings import ApiConfig
    from daemon.api.tokens import TokenFile

TOKEN = web.RequestKey("token", str)
"""The name of the token that a request came with."""

FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
"""Who sets one of these speaks for somebody else, who may sit anywhere."""


class Gatekeeper:
    """Looks at every request before anything is done for it. `needed` holds the scope of each route."""

    def __init__(
        self,
        config: ApiConfig,
        tokens: TokenFile,
        rate: RateLimit,
        needed: Mapping[str, Scope | None],
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._rate = rate
        self._needed = needed
        self._names = config.names()
        public = config.public_url
        self._public_origin = None if public is None else str(URL(public).origin()).lower()

    async def admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request that may be answered. Raises Refused."""
        self._check_host(request)
        self._check_origin(request)
        wait_s = self._rate.wait_s(request.remote or "")
        if wait_s > 0:
            raise Refused(429, "too many requests", headers={"Retry-After": str(max(1, round(wait_s)))})
        name = request.match_info.route.name
        needed = None if name is None else self._needed.get(name)
        if needed is not None:
            self._check_token(request, needed)
        return await handler(request)

    def may(self, request: web.Request, scope: Scope) -> bool:
        """Tell whether whoever asks has this scope."""
        return self._scope(request) >= scope

    def _check_host(self, request: web.Request) -> None:
        """Refuse names that are not ours: a page elsewhere may have its own name point at this machine."""
        given = request.headers.getall("Host", [])
        host = _host_of(given[0]) if len(given) == 1 else None
        if host is None:
            raise Refused(400, "the request does not say, once, which host it is meant for")
        if host in self._names or _is_address(host, request):
            return
        raise Refused(421, "this heard does not go by that name: add it to 'hosts' under 'api'")

    def _check_origin(self, request: web.Request) -> None:
        """Refuse what a page elsewhere lets a browser send: that it may come from here means nothing then."""
        origins = request.headers.getall("Origin", [])
        if not origins:
            # Browsers say so of forms, too, where they leave the origin out.
            from_elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
            if from_elsewhere and request.method not in {"GET", "HEAD"}:
                raise Refused(403, "pages of other origins may not ask")
            return
        origin = origins[0].lower()
        netloc = origin.partition("://")[2]
        same = netloc != "" and netloc == request.headers["Host"].lower()
        if len(origins) > 1 or not (same or origin == self._public_origin):
            raise Refused(403, "pages of other origins may not ask")

    def _check_token(self, request: web.Request, needed: Scope) -> None:
        held = self._scope(request)
        if held < needed:
            raise Refused(
                403,
                f"this needs a token with the scope {needed.word!r}",
                headers={"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed.word}"'},
                scope=needed.word,
            )

    def _scope(self, request: web.Request) -> Scope:
        """Return what whoever asks may do. Raises Refused where nothing says that they may."""
        given = request.headers.getall("Authorization", [])
        if not given:
            if _from_here(request) and not self._config.require_token:
                return Scope.ADMIN
            raise Refused(
                401,
                "this needs a token: make one with `heard token add`, and send it as Authorization: Bearer …",
                headers={"WWW-Authenticate": 'Bearer realm="heard"'},
            )
        kind, _, secret = given[0].partition(" ")
        found = self._tokens.scope_of(secret.strip()) if kind.lower() == "bearer" else None
        if found is None or len(given) > 1:
            raise Refused(
                401,
                "this token is not known, or no longer",
                headers={"WWW-Authenticate": 'Bearer realm="heard", error="invalid_token"'},
            )
        request[TOKEN] = found[0]
        return found[1]


def _host_of(header: str) -> str | None:
    """Return the host that a Host header names, without its port; None where it names none."""
    if header.startswith("["):
        host, closed, rest = header[1:].partition("]")
        return host.lower() if closed and _is_port(rest) else None
    host, colon, port = header.partition(":")
    return host.lower() if host and _is_port(colon + port) else None


def _is_port(text: str) -> bool:
    return text == "" or (text[0] == ":" and text[1:].isascii() and text[1:].isdigit())


def _is_address(host: str, request: web.Request) -> bool:
    """Tell whether the host is the very address that was connected to: no name can be pointed at that."""
    own = request.get_extra_info("sockname")
    try:
        return own is not None and ipaddress.ip_address(host) == _address(own[0])
    except ValueError:
        return False


def _from_here(request: web.Request) -> bool:
    """Tell whether a program on this machine asks, and for itself."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return request.remote is not None and _address(request.remote).is_loopback
    except ValueError:
        return False


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped
