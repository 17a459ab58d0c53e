"""How a sound is taught, judged and corrected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel

from daemon.api.answers import Done, answer
from daemon.api.forms import sent_form
from daemon.api.limits import body_as
from daemon.api.problems import Refused
from daemon.api.profile_states import ONE, PATTERNS, KnownProfiles
from daemon.api.routes import Route
from daemon.api.tokens import Scope
from daemon.learning.report_page import report_page
from daemon.learning.requests import LEAST_PER_DAY, Enroll, Lesson, Missed, Oversight, Promise
from fewshot_profiles.enrollment import MAX_EXAMPLES
from foundation.errors import OwnerError

if TYPE_CHECKING:
    from daemon.api.house import House

PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}

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


class KeptPromise(BaseModel):
    """What came of a promise."""

    profile: str
    threshold: float
    version: str
    lifted_threshold: float | None
    """What had been set for the profile, and holds no longer; null: nothing had."""


class Teaching:
    """Answers what changes what a profile hears."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known = KnownProfiles(house)

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="POST", path=f"{ONE}/teach", name="teach_profile", scope=Scope.ACT, patterns=PATTERNS,
                summary="Teach a sound from the last seconds of a stream, or from a past event",
                handler=self.teach, body=Lesson, returns=dict[str, Any],
            ),
            Route(
                method="POST", path=f"{ONE}/examples", name="upload_examples", scope=Scope.ACT,
                patterns=PATTERNS, summary="Teach a sound from recordings", handler=self.upload,
                body_media="multipart/form-data", body_schema=EXAMPLES_FORM, returns=dict[str, Any],
            ),
            Route(
                method="GET", path=f"{ONE}/report", name="report_profile", scope=Scope.READ,
                patterns=PATTERNS, summary="How far a profile can be trusted; as a page for browsers",
                handler=self.report, returns=dict[str, Any], media=("application/json", "text/html"),
                fails=(404,),
            ),
            Route(
                method="POST", path=f"{ONE}/missed", name="miss_profile", scope=Scope.ACT, patterns=PATTERNS,
                summary="Say that a sound was there and made no event", handler=self.missed,
                body=Oversight, returns=dict[str, Any], fails=(404,),
            ),
            Route(
                method="POST", path=f"{ONE}/promise", name="promise_profile", scope=Scope.ACT,
                patterns=PATTERNS, summary="Let a profile keep a rate of false alarms", handler=self.promise,
                body=Promise, returns=KeptPromise, fails=(404,),
            ),
            Route(
                method="POST", path=f"{ONE}/undo", name="undo_profile", scope=Scope.ACT, patterns=PATTERNS,
                summary="Take the last change of a profile back", handler=self.undo, returns=Done,
                fails=(404,),
            ),
        ]  # fmt: skip

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
            taking=house.taking,
        ) as form:
            if not form.files:
                raise Refused(422, "file: send at least one recording")
            fields: dict[str, Any] = {"add": self._known.is_taught(name), **form.fields}
            if "tags" in fields:
                fields["tags"] = [tag.strip() for tag in fields["tags"].split(",") if tag.strip()]
            unknown = fields.keys() - EXAMPLES_FORM["properties"].keys()
            if unknown:
                raise Refused(422, f"unknown fields: {', '.join(sorted(unknown))}")
            wanted = Enroll.model_validate({"name": name, **fields})
            return answer(await house.desk.enroll_from(wanted, form.files))

    async def report(self, request: web.Request) -> web.Response:
        """Answer with a report, as a page where that is asked for."""
        name = self._known.named(request).name
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
        name = self._known.named(request).name
        oversight = await body_as(request, Oversight)
        return answer(await self._house.desk.missed(Missed(name=name, **oversight.model_dump())))

    async def promise(self, request: web.Request) -> web.Response:
        """Set the threshold by a rate."""
        name = self._known.named(request).name
        per_day = (await body_as(request, Promise)).false_alarms_per_day
        return answer(await self._house.desk.promise(name, per_day / 24.0))

    async def undo(self, request: web.Request) -> web.Response:
        """Take the last change back."""
        name = request.match_info["name"]
        try:
            await self._house.workers.do(lambda: self._house.teacher.versions(name))
        except OwnerError as error:
            raise Refused(404, str(error)) from error
        return answer(await self._house.desk.undo(name))
