"""What was heard: listed newest first, page by page, and marked right or wrong."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from daemon.api.answers import answer
from daemon.api.limits import body_as, query_as
from daemon.api.problems import Refused, not_found
from daemon.api.routes import API, EVENT_ID, Route
from daemon.api.tokens import Scope
from daemon.evidence.clips import clip_path
from daemon.history_file import After, read_event, read_events
from integrations.topics import event_payload

if TYPE_CHECKING:
    from daemon.api.house import House
    from detectors.types import SoundEvent

MOST_EVENTS = 500
"""In one answer."""
SETTLED_WITHIN_S = 0.5
LATEST = 32_503_680_000.0
"""The year 3000: later moments are slips."""


def _moment(text: str) -> str:
    unix_seconds(text)
    return text


def unix_seconds(text: str) -> float:
    """Read ISO 8601 (in UTC where it says nothing else), or Unix seconds. Raises ValueError."""
    try:
        moment = float(text)
    except ValueError:
        try:
            named = datetime.fromisoformat(text)
            moment = (named if named.tzinfo else named.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            raise ValueError("expected ISO 8601, such as 2026-01-31T22:14:05Z, or Unix seconds") from None
    if not (math.isfinite(moment) and 0.0 <= moment <= LATEST):
        raise ValueError("expected a moment between 1970 and 3000")
    return moment


Moment = Annotated[
    str,
    Field(max_length=40, description="ISO 8601, in UTC where it says nothing else, or Unix seconds."),
    AfterValidator(_moment),
]


class EventQuery(BaseModel):
    """Which events, or clips of events, are wanted."""

    model_config = ConfigDict(extra="forbid")
    profile: str | None = None
    stream: str | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_EVENTS)] = 100
    cursor: Annotated[str, Field(max_length=120)] | None = None
    """What an answer called `next`."""


class Event(BaseModel):
    """A sound, as MQTT tells it too."""

    event_type: str
    """The profile."""
    id: str
    phase: Literal["started", "ended"]
    stream: str
    score: float
    started: str
    ended: str | None
    level_dbfs: float | None
    noise_floor_dbfs: float | None
    speech: bool
    verified: bool | None
    """A full audio model agreed; null where it was not asked, or gave no answer in time."""
    caption: str | None
    """What a full audio model said of it."""
    transcript: str | None
    """What was said, once the sound has ended and where that was asked for."""
    decided_by: Literal["profiles", "audio_model", "rules"]
    clip: str | None
    """Where its clip is; null where none was kept."""
    profile_version: str


class EventPage(BaseModel):
    """One page, the newest first."""

    events: list[Event]
    next: str | None
    """The cursor of the page behind it; null on the last one."""


class Verdict(BaseModel):
    """What the owner says of an event."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["right", "wrong"]
    apply: bool = False
    """false: only say what it would change."""


class Events:
    """Answers what is asked about events."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._file = house.config.state_dir / "history.sqlite"

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        one = f"{API}/events/{{id}}"
        patterns = {"id": EVENT_ID}
        return [
            Route(
                method="GET", path=f"{API}/events", name="list_events", scope=Scope.READ,
                summary="What was heard, the newest first", handler=self.list, query=EventQuery,
                returns=EventPage,
            ),
            Route(
                method="GET", path=one, name="get_event", scope=Scope.READ, patterns=patterns,
                summary="One event", handler=self.get, returns=Event, fails=(404,),
            ),
            Route(
                method="POST", path=f"{one}/feedback", name="mark_event", scope=Scope.ACT,
                patterns=patterns, summary="Say that an event was right or wrong, and what that changes",
                handler=self.mark, body=Verdict, returns=dict[str, Any], fails=(404,),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page."""
        wanted = query_as(request, EventQuery)
        after = None if wanted.cursor is None else _after(wanted.cursor)

        def read() -> dict[str, Any]:
            found = read_events(
                self._file,
                wanted.limit + 1,
                profile=wanted.profile,
                stream=wanted.stream,
                since=0.0 if wanted.since is None else unix_seconds(wanted.since),
                until=None if wanted.until is None else unix_seconds(wanted.until),
                after=after,
            )
            page = found[: wanted.limit]
            more = len(found) > len(page)
            return {
                "events": [self._event(event) for event in page],
                "next": _cursor(page[-1]) if more else None,
            }

        await self._settled()
        return answer(await self._house.workers.do(read))

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one event."""
        event = await self._named(request)
        return answer(await self._house.workers.do(lambda: self._event(event)))

    async def mark(self, request: web.Request) -> web.Response:
        """Mark one."""
        event = await self._named(request)
        said = await body_as(request, Verdict)
        return answer(await self._house.desk.mark(event.id, said.verdict, apply=said.apply))

    async def _named(self, request: web.Request) -> SoundEvent:
        event_id = request.match_info["id"]
        await self._settled()
        event = await self._house.workers.do(lambda: read_event(self._file, event_id))
        if event is None:
            raise not_found("event", event_id)
        return event

    async def _settled(self) -> None:
        """Let what was just heard reach the disk; where that takes none, the answer goes without."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._house.history.flush(), SETTLED_WITHIN_S)

    def _event(self, event: SoundEvent) -> dict[str, Any]:
        kept = clip_path(self._house.config.evidence_folder, event).is_file()
        return event_payload(event, clip_url=self._house.addresses.clip(event.id) if kept else None)


def _cursor(event: SoundEvent) -> str:
    return base64.urlsafe_b64encode(f"{event.onset_at!r} {event.id}".encode()).decode()


def _after(cursor: str) -> After:
    try:
        onset_at, event_id = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        found = After(onset_at=float(onset_at), id=event_id)
    except (ValueError, binascii.Error, UnicodeError):
        raise Refused(422, "this cursor is none that heard gave: begin without one") from None
    if not math.isfinite(found.onset_at):
        raise Refused(422, "this cursor is none that heard gave: begin without one")
    return found
