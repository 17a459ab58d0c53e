"""The clips that were kept: listed, heard, seen, and held against their ledger."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web
from pydantic import BaseModel, ConfigDict

from daemon.api.answers import answer
from daemon.api.events import EventQuery, unix_seconds
from daemon.api.limits import query_as
from daemon.api.problems import Refused, not_found
from daemon.api.routes import API, EVENT_ID, Route
from daemon.api.tokens import Scope
from daemon.evidence.kept import KeptClip, clip_of_event, newest_clips
from daemon.evidence.ledger import Fault, verify_ledger
from integrations.topics import utc_text

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.api.house import House

KEPT_HEADERS = {
    # A clip may be retired or found changed: whoever keeps a copy asks again.
    "Cache-Control": "private, no-cache",
    "Content-Disposition": "inline",
}


class Sidecar(BaseModel):
    """A clip, as it was written down when it was kept, and where it is now."""

    model_config = ConfigDict(extra="allow")
    event: dict[str, Any]
    rules: list[str]
    """Which asked for it."""
    stream: str
    onset_in_clip_s: float
    rate_hz: int
    channels: int
    sha256: str
    clip: str
    """URL of the FLAC file."""
    spectrogram: str
    """URL of the picture."""


class EvidencePage(BaseModel):
    """One page, the newest first."""

    evidence: list[Sidecar]
    next: str | None
    """The cursor of the page behind it; null on the last one."""


class Finding(BaseModel):
    """One thing that is not as it was stored."""

    fault: Fault
    path: str
    """In the evidence folder."""
    detail: str


class Verified(BaseModel):
    """How the evidence stands to its ledger."""

    ok: bool
    findings: list[Finding]


class Evidence:
    """Answers what is asked about evidence."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._folder = house.config.evidence_folder

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        one, patterns = f"{API}/evidence/{{id}}", {"id": EVENT_ID}
        return [
            Route(
                method="GET", path=f"{API}/evidence", name="list_evidence", scope=Scope.READ,
                summary="The clips that were kept, the newest first", handler=self.list,
                query=EventQuery, returns=EvidencePage,
            ),
            Route(
                method="GET", path=f"{API}/evidence/verify", name="verify_evidence", scope=Scope.READ,
                summary="Compare every clip with the ledger", handler=self.verify, returns=Verified,
            ),
            Route(
                method="GET", path=one, name="get_evidence", scope=Scope.READ, patterns=patterns,
                summary="What was written down with the clip of an event", handler=self.get,
                returns=Sidecar, fails=(404,),
            ),
            Route(
                method="GET", path=f"{one}/clip.flac", name="get_clip", scope=Scope.READ, patterns=patterns,
                summary="The clip of an event, or a range of its bytes", handler=self.clip,
                media=("audio/flac",), fails=(404, 412, 416),
            ),
            Route(
                method="GET", path=f"{one}/spectrogram.png", name="get_spectrogram", scope=Scope.READ,
                patterns=patterns, summary="The spectrogram of an event's clip", handler=self.picture,
                media=("image/png",), fails=(404, 412, 416),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with a page."""
        wanted = query_as(request, EventQuery)

        def read() -> dict[str, Any]:
            found = list(islice(self._wanted(wanted), wanted.limit + 1))
            page = found[: wanted.limit]
            more = len(found) > len(page)
            return {
                "evidence": [self._told(clip) for clip in page],
                "next": f"{page[-1].started} {page[-1].event_id}" if more else None,
            }

        return answer(await self._house.workers.do(read))

    async def get(self, request: web.Request) -> web.Response:
        """Answer with a sidecar."""
        return answer(self._told(await self._clip(request)))

    async def clip(self, request: web.Request) -> web.StreamResponse:
        """Answer with a clip."""
        return await self._file(request, (await self._clip(request)).path, "audio/flac")

    async def picture(self, request: web.Request) -> web.StreamResponse:
        """Answer with a spectrogram."""
        return await self._file(request, (await self._clip(request)).picture, "image/png")

    async def verify(self, request: web.Request) -> web.Response:
        """Answer with what is not as it was stored."""
        del request

        def verify() -> list[dict[str, Any]]:
            if not self._folder.is_dir():
                return []
            return [
                {
                    "fault": each.fault,
                    "path": each.path.relative_to(self._folder).as_posix(),
                    "detail": each.detail,
                }
                for each in verify_ledger(self._folder)
            ]

        findings = await self._house.workers.do(verify)
        return answer({"ok": not findings, "findings": findings})

    def _wanted(self, wanted: EventQuery) -> Iterator[KeptClip]:
        since = "" if wanted.since is None else utc_text(unix_seconds(wanted.since))
        until = None if wanted.until is None else utc_text(unix_seconds(wanted.until))
        after = None if wanted.cursor is None else tuple(wanted.cursor.split(" ", 1))
        for clip in newest_clips(self._folder):
            if clip.started < since:
                return
            event = clip.sidecar["event"]
            if (
                (until is None or clip.started <= until)
                and (after is None or (clip.started, clip.event_id) < after)
                and wanted.profile in {None, event.get("event_type")}
                and wanted.stream in {None, event.get("stream")}
            ):
                yield clip

    async def _clip(self, request: web.Request) -> KeptClip:
        event_id = request.match_info["id"]
        clip = await self._house.workers.do(lambda: clip_of_event(self._folder, event_id))
        if clip is None:
            raise not_found("clip of an event", event_id)
        return clip

    async def _file(self, request: web.Request, path: Path, media: str) -> web.StreamResponse:
        """Return a file, or the part of it that is asked for."""
        try:
            status = await self._house.workers.do(path.stat)
        except OSError:
            raise Refused(404, "this file is gone: `verify` says what else is") from None
        _check_unchanged(request, status)
        _check_range(request, status.st_size)
        return web.FileResponse(path, headers={**KEPT_HEADERS, "Content-Type": media})

    def _told(self, clip: KeptClip) -> dict[str, Any]:
        addresses = self._house.addresses
        urls = {"clip": addresses.clip(clip.event_id), "spectrogram": addresses.picture(clip.event_id)}
        return {**clip.sidecar, "event": {**clip.sidecar["event"], "clip": urls["clip"]}, **urls}


def _check_unchanged(request: web.Request, status: os.stat_result) -> None:
    """Refuse a file that is another one than is asked for."""
    # As aiohttp writes it, which would refuse without a word.
    etag = f"{status.st_mtime_ns:x}-{status.st_size:x}"
    if request.if_match is not None:
        same = any(each.value in {etag, "*"} and not each.is_weak for each in request.if_match)
    else:
        since = request.if_unmodified_since
        same = since is None or status.st_mtime <= since.timestamp()
    if not same:
        raise Refused(412, "the file is not the one that you have: ask for it without conditions")


def _check_range(request: web.Request, size: int) -> None:
    """Refuse a range that lies nowhere in the file."""
    if hdrs.RANGE not in request.headers:
        return
    try:
        asked = request.http_range
        lies_in_it = asked.start is None or asked.start < size
    except ValueError:
        lies_in_it = False
    if not lies_in_it:
        raise Refused(416, "this range is not in the file", headers={"Content-Range": f"bytes */{size}"})
