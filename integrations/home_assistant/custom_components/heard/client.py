"""What the component says to a daemon over HTTP. Knows nothing of Home Assistant."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

ASK_WITHIN_S = 10.0
WORK_WITHIN_S = 120.0
"""Teaching listens to audio, and a dry run goes through history."""
SILENCE_MEANS_GONE_S = 15.0
"""The daemon says how its streams do every second: one that says nothing for so long is gone."""
LONGEST_MESSAGE = 4 * 2**20


class HeardError(Exception):
    """A request did not come to its end; the text is for the owner, and never holds the token."""


class CannotConnectError(HeardError):
    """Nobody answers at this address, or not in time."""


class NotHeardError(HeardError):
    """Something answers at this address, and it is no heard."""


class InvalidAuthError(HeardError):
    """The daemon does not know this token."""


class ForbiddenError(HeardError):
    """The token is known, and may not do this."""


class RefusedError(HeardError):
    """The daemon says why it does not do what was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMessage:
    """One thing that the daemon tells as it happens."""

    id: str
    """Where to go on after a break; empty where the daemon gave none."""
    type: str
    body: dict[str, Any]


def base_url(written: str) -> str:
    """Return what somebody wrote as the daemon's address, such as `hub.local:8765`, as a URL.

    Raises ValueError where it cannot be one.
    """
    text = written.strip()
    url = URL(text if "://" in text else f"http://{text}")
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError(f"{written!r} is no web address")
    return str(url.with_user(None).with_query(None).with_fragment(None)).rstrip("/")


class HeardClient:
    """Speaks to one daemon in a session that belongs to Home Assistant."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str | None) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._headers = {} if not token else {"Authorization": f"Bearer {token}"}

    async def status(self) -> dict[str, Any]:
        """Return how the daemon does; raises NotHeardError if what answers is something else."""
        status = await self._ask("GET", "status")
        if not isinstance(status, dict) or not status.keys() >= {"id", "node", "version"}:
            raise NotHeardError("what answers there is not heard")
        return status

    async def streams(self) -> list[dict[str, Any]]:
        """Return every stream as it stands."""
        return await self._list("streams")

    async def profiles(self) -> list[dict[str, Any]]:
        """Return every sound that is listened for."""
        return await self._list("profiles")

    async def rules(self) -> list[dict[str, Any]]:
        """Return every rule in force."""
        return await self._list("rules")

    async def evidence(self, **query: str | int) -> dict[str, Any]:
        """Return one page of the clips that were kept."""
        page: dict[str, Any] = await self._ask("GET", "evidence", params=query)
        return page

    async def set_listening(self, stream: str, *, on: bool) -> None:
        """Let a stream listen, or not."""
        await self._ask("PATCH", f"streams/{_part(stream)}", json={"listening": on})

    async def set_rule_enabled(self, rule: str, *, on: bool) -> None:
        """Let a rule fire, or not."""
        await self._ask("PATCH", f"rules/{_part(rule)}", json={"enabled": on})

    async def set_threshold(self, profile: str, threshold: float) -> None:
        """Let a profile count from this score on."""
        await self._ask("PATCH", f"profiles/{_part(profile)}", json={"threshold": threshold})

    async def teach(self, profile: str, request: dict[str, Any]) -> dict[str, Any]:
        """Teach a sound from what was heard last, or from an event; return the report."""
        path = f"profiles/{_part(profile)}/teach"
        report: dict[str, Any] = await self._ask("POST", path, json=request, within_s=WORK_WITHIN_S)
        return report

    async def feedback(self, event: str, *, verdict: str, apply: bool) -> dict[str, Any]:
        """Say that an event was right or wrong; return the effect."""
        body = {"verdict": verdict, "apply": apply}
        path = f"events/{_part(event)}/feedback"
        effect: dict[str, Any] = await self._ask("POST", path, json=body, within_s=WORK_WITHIN_S)
        return effect

    async def dry_run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return what rules would have done with what was heard."""
        done: dict[str, Any] = await self._ask("POST", "rules/dry-run", json=request, within_s=WORK_WITHIN_S)
        return done

    async def open_evidence(
        self, event: str, file: str, headers: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        """Open a clip or its picture; the caller reads the answer and closes it, whatever its status."""
        try:
            return await self._session.get(
                self._whole(f"evidence/{_part(event)}/{file}"),
                headers={**(headers or {}), **self._headers},
                timeout=aiohttp.ClientTimeout(sock_connect=ASK_WITHIN_S, sock_read=ASK_WITHIN_S),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CannotConnectError(_words(error)) from error

    async def live(self, after: str = "") -> AsyncIterator[LiveMessage]:
        """Yield what happens from now on, or from the message after `after` on, until the connection ends."""
        headers = {"Accept": "text/event-stream", **self._headers}
        if after:
            headers["Last-Event-ID"] = after
        try:
            async with self._session.get(
                self._whole("live"),
                headers=headers,
                timeout=aiohttp.ClientTimeout(sock_connect=ASK_WITHIN_S, sock_read=SILENCE_MEANS_GONE_S),
                allow_redirects=False,
                read_bufsize=LONGEST_MESSAGE,
            ) as response:
                await _check(response)
                async for message in _messages(response.content):
                    yield message
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise CannotConnectError(_words(error)) from error

    async def _list(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self._ask("GET", what))[what]
        return found

    async def _ask(self, method: str, path: str, *, within_s: float = ASK_WITHIN_S, **request: Any) -> Any:
        try:
            async with self._session.request(
                method,
                self._whole(path),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=within_s),
                allow_redirects=False,
                **request,
            ) as response:
                await _check(response)
                return await response.json() if response.status != HTTPStatus.NO_CONTENT else None
        except aiohttp.ContentTypeError as error:
            raise NotHeardError("what answers there does not speak JSON") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CannotConnectError(_words(error)) from error
        except ValueError as error:
            raise NotHeardError("what answers there does not speak JSON") from error

    def _whole(self, path: str) -> URL:
        # The parts are quoted already; quoting them again would lose a slash in a name.
        return URL(f"{self._url}/api/v1/{path}", encoded=True)


async def _messages(content: aiohttp.StreamReader) -> AsyncIterator[LiveMessage]:
    """Read server-sent events: lines of `field: value`, ended by an empty one."""
    kind, ident, data = "", "", []
    async for raw in content:
        line = raw.decode().rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            kind = value
        elif field == "id":
            ident = value
        elif field == "data":
            data.append(value)
        elif not line and data:
            yield LiveMessage(id=ident, type=kind, body=json.loads("\n".join(data)))
            kind, data = "", []


async def _check(response: aiohttp.ClientResponse) -> None:
    """Raise what an answer that is none means, with what the daemon says about it."""
    if response.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    if response.status < HTTPStatus.BAD_REQUEST:
        raise NotHeardError(f"what answers there sends us elsewhere ({response.status})")
    said = await _problem(response)
    if response.status == HTTPStatus.UNAUTHORIZED:
        raise InvalidAuthError(said)
    if response.status == HTTPStatus.FORBIDDEN:
        raise ForbiddenError(said)
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise CannotConnectError(said)
    raise RefusedError(said)


async def _problem(response: aiohttp.ClientResponse) -> str:
    """Return what an answer of problem details says, or what its number means."""
    try:
        problem = await response.json(content_type=None)
        said = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError):
        said = None
    return str(said or f"it answers with {response.status}")


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def _part(name: str) -> str:
    return quote(name, safe="")
