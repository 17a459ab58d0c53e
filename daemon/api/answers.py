"""Answers of JSON, and what a handler is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from daemon.api.json_text import json_text

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Done(BaseModel):
    """What was done, in words."""

    message: str


def answer(value: Any, *, status: int = 200) -> web.Response:
    """Return an answer of JSON."""
    return web.Response(status=status, text=json_text(value), content_type="application/json")
