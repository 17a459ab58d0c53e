"""Every answer that is not what was asked for: problem details as RFC 9457 has them."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from multidict import CIMultiDict
from pydantic import ValidationError

from daemon.api.json_text import json_text
from foundation.errors import FileError, HeardError, NameTaken, RetryableError, StateFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.api.answers import Handler

MEDIA_TYPE = "application/problem+json"
MOST_PROBLEMS = 50
"""Faults of one file that are told."""

_log = logging.getLogger(__name__)


class Refused(Exception):
    """A request that gets another answer than it asked for. `more` are members of the answer."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


def not_found(what: str, name: str, known: str = "") -> Refused:
    """Return the refusal of a name that nothing has; `known` is a hint to what was meant."""
    return Refused(404, f"there is no {what} {name!r}{known}")


def problem(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> web.Response:
    """Return an answer of problem details."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return web.Response(
        status=status,
        text=json_text({**body, **more}),
        content_type=MEDIA_TYPE,
        headers=CIMultiDict(headers or {}),
    )


@web.middleware
async def answer_with_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into problem details; what nobody foresaw is in the log, not in the answer."""
    try:
        return await handler(request)
    except ConnectionError:
        # Nobody is there to be answered.
        raise
    except Exception as error:
        told = _told(error)
        if told is not None:
            return told
        if request.writer.output_size > 0:
            # An answer was begun; the connection ends with it.
            raise
        _log.exception("a request failed: %s %s", request.method, request.rel_url.raw_path)
        return problem(500, "heard failed at this; its log says where")


def _told(error: Exception) -> web.Response | None:
    """Return what is said of an error that was foreseen."""
    match error:
        case Refused():
            return problem(error.status, error.detail, headers=error.headers, **error.more)
        case web.HTTPException():
            return _of_http(error)
        case web.RequestPayloadError():
            return problem(400, "the body does not come as its headers say")
        case ValidationError():
            return problem(422, "what was sent is not as described", faults=faults_of(error))
    return _of_heard(error) if isinstance(error, HeardError) else None


def _of_heard(error: HeardError) -> web.Response:
    if isinstance(error, StateFolderError):
        _log.error("%s", error)
        return problem(503, "the state folder cannot be used; heard's log says why")
    if isinstance(error, FileError):
        return problem(422, _without_folder(error), problems=problems_of(error))
    if isinstance(error, RetryableError):
        return problem(503, str(error), headers={"Retry-After": "5"})
    return problem(409 if isinstance(error, NameTaken) else 422, str(error))


def faults_of(error: ValidationError) -> list[dict[str, str]]:
    """Return where what was sent is wrong, and how."""
    return [
        {"at": ".".join(str(part) for part in fault["loc"]), "fault": fault["msg"]}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)
    ]


def problems_of(error: FileError) -> list[dict[str, Any]]:
    """Return what is wrong in a file, place by place."""
    return [
        {"file": each.file.name, "line": each.line, "column": each.column, "message": each.message}
        for each in error.problems[:MOST_PROBLEMS]
    ]


def _without_folder(error: FileError) -> str:
    first = str(error).splitlines()[0]
    return first.replace(f"{error.problems[0].file.parent}/", "") if error.problems else first


def _of_http(error: web.HTTPException) -> web.Response:
    """Return what aiohttp refuses by itself, as problem details."""
    details = {
        404: "there is nothing here",
        405: "this cannot be done here",
        413: "the request is larger than allowed",
    }
    kept = {name: value for name in ("Allow", "Retry-After") if (value := error.headers.get(name))}
    return problem(error.status, details.get(error.status, error.reason), headers=kept)
