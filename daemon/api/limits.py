"""How much is taken from whom: requests a second, bytes of a body, time to send it."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from daemon.api.problems import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp import web

BURST_S = 4.0
"""So many seconds' worth of requests may come at once."""
MOST_ADDRESSES = 4_096
"""Addresses that are kept in mind; those that asked longest ago are forgotten."""
JSON_BYTES = 1_000_000
CHUNK_BYTES = 65_536
CHUNK_WITHIN_S = 20.0
BODY_WITHIN_S = 600.0

_Model = TypeVar("_Model", bound=BaseModel)


class RateLimit:
    """A bucket for each address, which fills with `per_s` a second."""

    def __init__(self, per_s: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s = per_s
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Take one request off an address; return 0, or for how many seconds none is left."""
        now, most = self._clock(), self._per_s * BURST_S
        left, at = self._buckets.pop(address, (most, now))
        left = min(most, left + (now - at) * self._per_s)
        allowed = left >= 1.0
        self._buckets[address] = (left - 1.0 if allowed else left, now)
        if len(self._buckets) > MOST_ADDRESSES:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._per_s


async def chunks(request: web.Request, *, most: int) -> AsyncIterator[bytes]:
    """Yield the body piece by piece. Raises Refused for one that is too large, or comes too slowly."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(415, "send the body as it is, without a Content-Encoding")
    if request.content_length is not None and request.content_length > most:
        raise too_large(most)
    taken = 0
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            while chunk := await asyncio.wait_for(request.content.read(CHUNK_BYTES), CHUNK_WITHIN_S):
                taken += len(chunk)
                if taken > most:
                    raise too_large(most)
                yield chunk
    except TimeoutError:
        raise Refused(408, "the request did not come to its end in time") from None


async def body_bytes(request: web.Request, *, most: int = JSON_BYTES) -> bytes:
    """Return the whole body. Raises Refused."""
    return b"".join([chunk async for chunk in chunks(request, most=most)])


async def body_as(request: web.Request, model: type[_Model]) -> _Model:
    """Read a body of JSON. Raises Refused, or ValidationError with what is wrong with it."""
    if request.content_type != "application/json":
        raise Refused(415, "send application/json", headers={"Accept-Post": "application/json"})
    return model.model_validate_json(await body_bytes(request))


def query_as(request: web.Request, model: type[_Model]) -> _Model:
    """Read what stands behind the question mark. Raises Refused, or ValidationError."""
    twice = sorted(name for name in request.query if len(request.query.getall(name)) > 1)
    if twice:
        raise Refused(422, f"{', '.join(twice)}: say it once")
    return model.model_validate(dict(request.query))


def too_large(most: int) -> Refused:
    """Return the refusal of a body."""
    return Refused(413, f"the body is larger than the {most} bytes allowed")
