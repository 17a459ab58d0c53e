"""A profile as one file: taken out, and taken in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from daemon.api.answers import answer
from daemon.api.forms import sent_file
from daemon.api.limits import query_as
from daemon.api.problems import Refused
from daemon.api.profile_states import ONE, PATTERNS, KnownProfiles, ProfileState
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope
from daemon.learning.requests import ProfileName
from fewshot_profiles.archive import MAX_BYTES, SUFFIX

if TYPE_CHECKING:
    from daemon.api.house import House

ARCHIVE_MEDIA = "application/octet-stream"


class ImportQuery(BaseModel):
    """How a profile is taken in."""

    model_config = ConfigDict(extra="forbid")
    name: ProfileName | None = None
    """Another name for it."""
    replace: bool = False
    """Take the place of one that is there."""


class ExportQuery(BaseModel):
    """What goes along."""

    model_config = ConfigDict(extra="forbid")
    audio: bool = True
    """The recordings of its examples."""


class ProfileArchives:
    """Answers with exported profiles, and takes them in."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known = KnownProfiles(house)

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="POST", path=f"{API}/profiles/import", name="import_profile", scope=Scope.ADMIN,
                summary="Take in an exported profile", handler=self.import_, query=ImportQuery,
                body_media=ARCHIVE_MEDIA, body_schema={}, returns=ProfileState, status=201, fails=(409,),
            ),
            Route(
                method="GET", path=f"{ONE}/export", name="export_profile", scope=Scope.READ,
                patterns=PATTERNS, summary="A profile as one file", handler=self.export,
                query=ExportQuery, media=(ARCHIVE_MEDIA,), fails=(404,),
            ),
        ]  # fmt: skip

    async def import_(self, request: web.Request) -> web.Response:
        """Take one in."""
        house, wanted = self._house, query_as(request, ImportQuery)
        if request.content_type not in {ARCHIVE_MEDIA, "application/zip"}:
            raise Refused(415, f"send {ARCHIVE_MEDIA}", headers={"Accept-Post": ARCHIVE_MEDIA})
        most = min(house.most_body_bytes, MAX_BYTES)
        async with sent_file(
            request, beside=house.config.state_dir, most_bytes=most, taking=house.taking
        ) as file:
            profile = await house.desk.upkeep(
                lambda: house.teacher.import_(file, name=wanted.name, replacing=wanted.replace)
            )
        return answer(self._known.state(profile), status=201)

    async def export(self, request: web.Request) -> web.Response:
        """Answer with one file."""
        name = self._known.named(request).name
        with_audio = query_as(request, ExportQuery).audio

        def export() -> bytes:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / name
                return self._house.teacher.export(name, file, with_audio=with_audio).read_bytes()

        content = await self._house.workers.do(export)
        disposition = f'attachment; filename="{name}{SUFFIX}"'
        return web.Response(
            body=content, content_type=ARCHIVE_MEDIA, headers={"Content-Disposition": disposition}
        )
