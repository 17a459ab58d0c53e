"""The way to clips and their pictures: through Home Assistant, for those who are signed in to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import hdrs, web
from homeassistant.components.http import HomeAssistantView
from homeassistant.core import HomeAssistant

from .client import CannotConnectError
from .coordinator import coordinators

_FILES: Final = {"clip.flac": "audio/flac", "spectrogram.png": "image/png"}
_EVENT = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ASKED = (hdrs.RANGE, hdrs.IF_RANGE, hdrs.IF_NONE_MATCH, hdrs.IF_MODIFIED_SINCE)
_ANSWERED = (
    hdrs.ACCEPT_RANGES,
    hdrs.CONTENT_LENGTH,
    hdrs.CONTENT_RANGE,
    hdrs.ETAG,
    hdrs.LAST_MODIFIED,
)
_PIECE_BYTES = 65_536


class EvidenceView(HomeAssistantView):
    """Hands on what the daemon that has a clip answers. The daemon's token never leaves Home Assistant."""

    url = "/api/heard/evidence/{event}/{file}"
    name = "api:heard:evidence"

    def __init__(self, hass: HomeAssistant) -> None:
        self._hass = hass

    async def get(self, request: web.Request, event: str, file: str) -> web.StreamResponse:
        """Answer with a clip, part of one, or its picture."""
        if file not in _FILES or not _EVENT.fullmatch(event):
            raise web.HTTPNotFound
        asked = {str(name): request.headers[name] for name in _ASKED if name in request.headers}
        async with _found(self._hass, event, file, asked) as answer:
            kept = {str(name): answer.headers[name] for name in _ANSWERED if name in answer.headers}
            response = web.StreamResponse(
                status=answer.status,
                headers={**kept, hdrs.CONTENT_TYPE: _FILES[file], "X-Content-Type-Options": "nosniff"},
            )
            await response.prepare(request)
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                await response.write(piece)
            await response.write_eof()
            return response


@asynccontextmanager
async def _found(
    hass: HomeAssistant, event: str, file: str, asked: dict[str, str]
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Ask one daemon after the other: the id of an event says nothing of where it was heard."""
    unreachable = False
    for coordinator in list(coordinators(hass).values()):
        try:
            answer = await coordinator.client.open_evidence(event, file, asked)
        except CannotConnectError:
            unreachable = True
            continue
        async with answer:
            if answer.status < HTTPStatus.BAD_REQUEST or (
                answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            ):
                yield answer
                return
            unreachable |= answer.status != HTTPStatus.NOT_FOUND
    raise web.HTTPBadGateway if unreachable else web.HTTPNotFound
