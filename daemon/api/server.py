"""Serves the API: one application, made of the resources' tables, on a socket that is open already."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from daemon.api.access import Gatekeeper
from daemon.api.events import Events
from daemon.api.evidence import Evidence
from daemon.api.forms import clean_up
from daemon.api.limits import RateLimit
from daemon.api.live import Live
from daemon.api.models import Models
from daemon.api.problems import answer_with_problems, problem
from daemon.api.profile_archives import ProfileArchives
from daemon.api.profiles import Profiles
from daemon.api.rule_trials import RuleTrials
from daemon.api.rules import Rules
from daemon.api.streams import Streams
from daemon.api.system import System
from daemon.api.teaching import Teaching

if TYPE_CHECKING:
    import socket
    from types import TracebackType

    from daemon.api.answers import Handler
    from daemon.api.certificate import Certificate
    from daemon.api.house import House
    from daemon.api.routes import Route
    from daemon.api.settings import ApiConfig

HEAD_WITHIN_S = 15
"""A connection on which no whole request begins for so long is closed."""
MORE_CONNECTIONS = 64
"""That may be open besides those of live listeners."""
END_WITHIN_S = 2.0
"""Stopping waits this long for answers that are under way."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}

# What aiohttp says of malformed requests quotes them, and with them what may be a token.
_silent = logging.getLogger(f"{__name__}.http")
_silent.setLevel(logging.CRITICAL + 1)


class Server:
    """Answers while its `async with` lasts."""

    def __init__(
        self,
        config: ApiConfig,
        listener: socket.socket,
        house: House,
        certificate: Certificate | None = None,
    ) -> None:
        self._config = config
        self._listener = listener
        self._house = house
        self._certificate = certificate
        self._stack = AsyncExitStack()
        self._answered: Counter[tuple[str, int]] = Counter()
        self._live = Live(house, most=config.max_listeners)
        self.routes = self._routes()
        self.application = self._application()

    async def __aenter__(self) -> Self:
        await self._house.workers.do(lambda: clean_up(self._house.config.state_dir))
        runner = web.AppRunner(self.application, access_log=None, shutdown_timeout=END_WITHIN_S)
        async with AsyncExitStack() as stack:
            await runner.setup()
            stack.callback(self._house.workers.close)
            stack.push_async_callback(runner.cleanup)
            server = await asyncio.get_running_loop().create_server(
                lambda: self._connection(runner),
                sock=self._listener.dup(),
                **_encrypted(self._certificate),
            )
            stack.callback(server.close)
            await stack.enter_async_context(self._live)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    def _routes(self) -> tuple[Route, ...]:
        house = self._house
        resources = (
            Streams(house),
            Events(house),
            self._live,
            Profiles(house),
            Teaching(house),
            ProfileArchives(house),
            Rules(house),
            RuleTrials(house),
            Evidence(house),
            Models(house),
        )
        routes = [route for resource in resources for route in resource.routes()]
        system = System(house, tuple(routes), self._answered)
        return (*system.routes(), *routes)

    def _application(self) -> web.Application:
        gate = Gatekeeper(
            self._config,
            self._house.tokens,
            RateLimit(self._config.requests_per_s),
            {route.name: route.scope for route in self.routes},
        )

        @web.middleware
        async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await gate.admit(request, handler)

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            self._answered[request.match_info.route.name or "none", response.status] += 1
            return response

        application = web.Application(middlewares=[count, answer_with_problems, admit])
        application.on_response_prepare.append(_add_headers)
        for route in self.routes:
            application.router.add_route(route.method, route.pattern, route.handler, name=route.name)
            if route.method == "GET" and "/live" not in route.path:
                application.router.add_route("HEAD", route.pattern, route.handler, name=route.name)
        return application

    def _connection(self, runner: web.AppRunner) -> asyncio.Protocol:
        if self._certificate is not None:
            self._certificate.renew()
        server = runner.server
        assert server is not None
        if len(server.connections) >= self._config.max_listeners + MORE_CONNECTIONS:
            return _Shut()
        return _Connection(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=HEAD_WITHIN_S,
            lingering_time=END_WITHIN_S,
            access_log=_silent,
            auto_decompress=False,
            logger=_silent,
        )


class _Connection(web.RequestHandler):
    """A connection whose malformed requests are answered as all others that are refused."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,  # noqa: ARG002 - aiohttp's signature
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Answer with problem details, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        detail = "this is no request of HTTP/1.1" if status == HTTPStatus.BAD_REQUEST else "heard failed"
        response = problem(status, detail)
        response.force_close()
        return response


class _Shut(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        transport.close()


def _encrypted(certificate: Certificate | None) -> dict[str, Any]:
    """Return how a server is told of TLS, if it is to speak that."""
    if certificate is None:
        return {}
    return {
        "ssl": certificate.context,
        "ssl_handshake_timeout": HEAD_WITHIN_S,
        "ssl_shutdown_timeout": END_WITHIN_S,
    }


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.pop("Server", None)
    del request
