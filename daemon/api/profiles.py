"""The sounds that are known: what is known of each, and how they are taught, corrected and moved."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from daemon.api.answers import answer
from daemon.api.forms import AT_ONCE, sent_file, sent_form
from daemon.api.limits import body_as, query_as
from daemon.api.problems import Refused, not_found
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope
from daemon.learning.report_page import report_page
from daemon.learning.requests import LEAST_PER_DAY, Enroll, Lesson, Missed, Oversight, ProfileName
from fewshot_profiles.archive import MAX_BYTES, SUFFIX
from fewshot_profiles.enrollment import MAX_EXAMPLES
from fewshot_profiles.folder import NAME_PATTERN
from foundation.errors import OwnerError
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from daemon.api.house import House
    from fewshot_profiles.profile import Profile

ARCHIVE_MEDIA = "application/octet-stream"
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}


class ProfileState(BaseModel):
    """One profile."""

    name: str
    description: str
    tags: list[str]
    kind: Literal["impulse", "sustained"]
    stock: bool
    """Whether it ships with heard."""
    threshold: float
    """In force."""
    version: str
    examples: int


class ProfileStates(BaseModel):
    """All of them."""

    profiles: list[ProfileState]


class ExampleState(BaseModel):
    """Where an example came from, and on what terms."""

    source: str
    path: str
    licence: str
    attribution: str


class ProfileDetails(ProfileState):
    """One profile, with all that is written down of it."""

    own_threshold: float
    """What it has of its own, without what was set here."""
    revision: int
    encoder: str
    promise_per_hour: float | None
    marks: int
    example_list: list[ExampleState]


class ProfileChange(BaseModel):
    """What can be set."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    threshold: Annotated[float, Field(gt=0, lt=1)] | None
    """null: the profile's own again."""


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


class Done(BaseModel):
    """What was done, in words."""

    message: str


EXAMPLES_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file"],
    "properties": {
        "file": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_EXAMPLES,
            "items": {"type": "string", "contentMediaType": "application/octet-stream"},
            "description": "Recordings: WAV, FLAC, Ogg or MP3, of at most two minutes.",
        },
        "description": {"type": "string"},
        "tags": {"type": "string", "description": "With commas between them."},
        "false_alarms_per_day": {"type": "number", "minimum": LEAST_PER_DAY},
        "add": {
            "type": "boolean",
            "description": "Add to the profile that is there. Default: where you have taught one.",
        },
        "keep_audio": {"type": "boolean", "default": True},
    },
}


class Profiles:
    """Answers what is asked about profiles."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._taking = asyncio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        one, patterns = f"{API}/profiles/{{name}}", {"name": NAME_PATTERN.strip("^$")}
        return [
            Route(
                method="GET", path=f"{API}/profiles", name="list_profiles", scope=Scope.READ,
                summary="The profiles that are listened for", handler=self.list, returns=ProfileStates,
            ),
            Route(
                method="POST", path=f"{API}/profiles/import", name="import_profile", scope=Scope.ADMIN,
                summary="Take in an exported profile", handler=self.import_, query=ImportQuery,
                body_media=ARCHIVE_MEDIA, body_schema={}, returns=ProfileState, status=201, fails=(409,),
            ),
            Route(
                method="GET", path=one, name="get_profile", scope=Scope.READ, patterns=patterns,
                summary="One profile", handler=self.get, returns=ProfileDetails, fails=(404,),
            ),
            Route(
                method="PATCH", path=one, name="change_profile", scope=Scope.ACT, patterns=patterns,
                summary="Give a profile another threshold, or its own again", handler=self.change,
                body=ProfileChange, returns=ProfileState, fails=(404,),
            ),
            Route(
                method="DELETE", path=one, name="remove_profile", scope=Scope.ADMIN, patterns=patterns,
                summary="Take a profile of yours away; `undo` brings it back", handler=self.remove,
                returns=Done, fails=(404, 409),
            ),
            Route(
                method="POST", path=f"{one}/teach", name="teach_profile", scope=Scope.ACT, patterns=patterns,
                summary="Teach a sound from the last seconds of a stream, or from a past event",
                handler=self.teach, body=Lesson, returns=dict[str, Any],
            ),
            Route(
                method="POST", path=f"{one}/examples", name="upload_examples", scope=Scope.ACT,
                patterns=patterns, summary="Teach a sound from recordings", handler=self.upload,
                body_media="multipart/form-data", body_schema=EXAMPLES_FORM, returns=dict[str, Any],
            ),
            Route(
                method="GET", path=f"{one}/report", name="report_profile", scope=Scope.READ,
                patterns=patterns, summary="How far a profile can be trusted; as a page for browsers",
                handler=self.report, returns=dict[str, Any], media=("application/json", "text/html"),
                fails=(404,),
            ),
            Route(
                method="POST", path=f"{one}/missed", name="miss_profile", scope=Scope.ACT, patterns=patterns,
                summary="Say that a sound was there and made no event", handler=self.missed,
                body=Oversight, returns=dict[str, Any], fails=(404,),
            ),
            Route(
                method="POST", path=f"{one}/undo", name="undo_profile", scope=Scope.ACT, patterns=patterns,
                summary="Take the last change of a profile back", handler=self.undo, returns=Done,
                fails=(404,),
            ),
            Route(
                method="GET", path=f"{one}/export", name="export_profile", scope=Scope.READ,
                patterns=patterns, summary="A profile as one file", handler=self.export,
                query=ExportQuery, media=(ARCHIVE_MEDIA,), fails=(404,),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        del request
        return answer({"profiles": [self._state(profile) for profile in self._house.profiles()]})

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one."""
        profile = self._named(request)
        details = {
            "own_threshold": round(profile.threshold, 6),
            "revision": profile.revision,
            "encoder": profile.detector.encoder,
            "promise_per_hour": profile.promise_per_hour,
            "marks": len(profile.marks),
            "example_list": [
                {
                    "source": example.source,
                    "path": Path(example.path).name,
                    "licence": example.licence,
                    "attribution": example.attribution,
                }
                for example in profile.examples
            ],
        }
        return answer({**self._state(profile), **details})

    async def change(self, request: web.Request) -> web.Response:
        """Set a threshold."""
        profile = self._named(request)
        change = await body_as(request, ProfileChange)
        self._house.switches.set_threshold(profile.name, change.threshold)
        return answer(self._state(profile))

    async def remove(self, request: web.Request) -> web.Response:
        """Take one away."""
        profile = self._named(request)
        if not self._is_taught(profile.name):
            raise Refused(
                409,
                f"{profile.name} is no profile that you have taught: `stock_profiles` and `profiles` in the "
                "configuration say which others there are",
            )
        await self._house.desk.upkeep(lambda: self._house.teacher.remove(profile.name))
        return answer({"message": f"{profile.name} is gone; undo brings it back"})

    async def teach(self, request: web.Request) -> web.Response:
        """Teach from the last seconds or an event."""
        lesson = await body_as(request, Lesson)
        wanted = Enroll(name=request.match_info["name"], **lesson.model_dump())
        return answer(await self._house.desk.enroll(wanted))

    async def upload(self, request: web.Request) -> web.Response:
        """Teach from recordings."""
        house, name = self._house, request.match_info["name"]
        async with sent_form(
            request,
            beside=house.config.state_dir,
            most_bytes=house.most_body_bytes,
            most_files=MAX_EXAMPLES,
            files="file",
            taking=self._taking,
        ) as form:
            if not form.files:
                raise Refused(422, "file: send at least one recording")
            fields: dict[str, Any] = {"add": self._is_taught(name), **form.fields}
            if "tags" in fields:
                fields["tags"] = [tag.strip() for tag in fields["tags"].split(",") if tag.strip()]
            unknown = fields.keys() - EXAMPLES_FORM["properties"].keys()
            if unknown:
                raise Refused(422, f"unknown fields: {', '.join(sorted(unknown))}")
            wanted = Enroll.model_validate({"name": name, **fields})
            return answer(await house.desk.enroll_from(wanted, form.files))

    async def report(self, request: web.Request) -> web.Response:
        """Answer with a report, as a page where that is asked for."""
        name = self._named(request).name
        house = self._house
        if "text/html" not in request.headers.get("Accept", ""):
            return answer(await house.desk.report(name))

        def page() -> str:
            recordings = house.teacher.recordings(house.teacher.profile(name))
            return report_page(house.teacher.report(name), recordings)

        text = await house.desk.look(page)
        return web.Response(text=text, content_type="text/html", headers=PAGE_HEADERS)

    async def missed(self, request: web.Request) -> web.Response:
        """Note a sound that made no event."""
        name = self._named(request).name
        oversight = await body_as(request, Oversight)
        return answer(await self._house.desk.missed(Missed(name=name, **oversight.model_dump())))

    async def undo(self, request: web.Request) -> web.Response:
        """Take the last change back."""
        name = request.match_info["name"]
        try:
            await self._house.workers.do(lambda: self._house.teacher.versions(name))
        except OwnerError as error:
            raise Refused(404, str(error)) from error
        return answer(await self._house.desk.undo(name))

    async def export(self, request: web.Request) -> web.Response:
        """Answer with one file."""
        name = self._named(request).name
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

    async def import_(self, request: web.Request) -> web.Response:
        """Take one in."""
        house, wanted = self._house, query_as(request, ImportQuery)
        if request.content_type not in {ARCHIVE_MEDIA, "application/zip"}:
            raise Refused(415, f"send {ARCHIVE_MEDIA}", headers={"Accept-Post": ARCHIVE_MEDIA})
        most = min(house.most_body_bytes, MAX_BYTES)
        async with sent_file(
            request, beside=house.config.state_dir, most_bytes=most, taking=self._taking
        ) as file:
            profile = await house.desk.upkeep(
                lambda: house.teacher.import_(file, name=wanted.name, replacing=wanted.replace)
            )
        return answer(self._state(profile), status=201)

    def _named(self, request: web.Request) -> Profile:
        name = request.match_info["name"]
        profiles = {profile.name: profile for profile in self._house.profiles()}
        if name not in profiles:
            raise not_found("profile", name, did_you_mean(name, profiles))
        return profiles[name]

    def _state(self, profile: Profile) -> dict[str, Any]:
        [in_force] = self._house.switches.as_set([profile])
        return {
            "name": profile.name,
            "description": profile.description,
            "tags": list(profile.tags),
            "kind": profile.kind,
            "stock": self._ships(profile.name),
            "threshold": round(in_force.threshold, 6),
            "version": in_force.version,
            "examples": len(profile.examples),
        }

    def _is_taught(self, name: str) -> bool:
        """Tell whether the owner has taught it here, or taken it in."""
        return (self._house.teacher.folder / name).is_dir()

    def _ships(self, name: str) -> bool:
        """Tell whether it comes with heard."""
        elsewhere = (folder / name for folder in self._house.config.profiles)
        return not self._is_taught(name) and not any(folder.is_dir() for folder in elsewhere)
