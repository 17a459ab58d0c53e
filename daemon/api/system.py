"""The daemon as a whole: status, health, metrics, and the description of this API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web
from pydantic import BaseModel

from daemon.api.answers import answer
from daemon.api.problems import Refused
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope
from daemon.status import Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.api.house import House


class Healthy(BaseModel):
    """heard hears."""

    status: Literal["ok"]


class System:
    """Answers what is asked about all of heard. `answered` counts answers by operation and status."""

    def __init__(
        self, house: House, others: tuple[Route, ...], answered: Mapping[tuple[str, int], int]
    ) -> None:
        self._house = house
        self._others = others
        self._answered = answered
        self._description: dict[str, Any] | None = None

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="GET", path=f"{API}/status", name="status", scope=Scope.READ,
                summary="What heard says about itself", handler=self.status, returns=Status,
            ),
            Route(
                method="GET", path=f"{API}/openapi.json", name="openapi", scope=Scope.READ,
                summary="This description", handler=self.openapi, returns=dict[str, Any],
            ),
            Route(
                method="GET", path="/healthz", name="health", scope=None,
                summary="Whether heard hears: 503, with the reason, while it is deaf", handler=self.health,
                returns=Healthy, fails=(503,),
            ),
            Route(
                method="GET", path="/metrics", name="metrics", scope=Scope.READ,
                summary="Counters for Prometheus", handler=self.metrics, media=("text/plain",),
            ),
        ]  # fmt: skip

    async def status(self, request: web.Request) -> web.Response:
        """Answer with what `heard status --json` shows."""
        from dataclasses import asdict

        del request
        return answer(asdict(self._house.status()))

    async def health(self, request: web.Request) -> web.Response:
        """Answer whether anything is heard. Raises Refused with the reason where nothing is."""
        del request
        deaf = self._house.deaf()
        if deaf is not None:
            raise Refused(503, deaf)
        return answer({"status": "ok"})

    async def metrics(self, request: web.Request) -> web.Response:
        """Answer as Prometheus asks."""
        from daemon.api.metrics import exposition

        content, content_type = exposition(self._house, self._answered, request.headers.get("Accept", ""))
        return web.Response(body=content, headers={"Content-Type": content_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """Answer with the description, which is worked out once."""
        from daemon.api.openapi import describe

        del request
        if self._description is None:
            routes = (*self.routes(), *self._others)
            self._description = await self._house.workers.do(lambda: describe(routes))
        return answer(self._description)
