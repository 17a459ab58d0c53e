"""The sounds that are known: which there are, how sure heard has to be of each, and taking one away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from daemon.api.answers import Done, answer
from daemon.api.limits import body_as
from daemon.api.problems import Refused
from daemon.api.profile_states import ONE, PATTERNS, KnownProfiles, ProfileState
from daemon.api.routes import API, Route
from daemon.api.tokens import Scope

if TYPE_CHECKING:
    from daemon.api.house import House


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


class Profiles:
    """Answers what is asked about profiles."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known = KnownProfiles(house)

    def routes(self) -> list[Route]:
        """Return what can be asked."""
        return [
            Route(
                method="GET", path=f"{API}/profiles", name="list_profiles", scope=Scope.READ,
                summary="The profiles that are listened for", handler=self.list, returns=ProfileStates,
            ),
            Route(
                method="GET", path=ONE, name="get_profile", scope=Scope.READ, patterns=PATTERNS,
                summary="One profile", handler=self.get, returns=ProfileDetails, fails=(404,),
            ),
            Route(
                method="PATCH", path=ONE, name="change_profile", scope=Scope.ACT, patterns=PATTERNS,
                summary="Give a profile another threshold, or its own again", handler=self.change,
                body=ProfileChange, returns=ProfileState, fails=(404,),
            ),
            Route(
                method="DELETE", path=ONE, name="remove_profile", scope=Scope.ADMIN, patterns=PATTERNS,
                summary="Take a profile of yours away; `undo` brings it back", handler=self.remove,
                returns=Done, fails=(404, 409),
            ),
        ]  # fmt: skip

    async def list(self, request: web.Request) -> web.Response:
        """Answer with all of them."""
        del request
        return answer({"profiles": [self._known.state(profile) for profile in self._known.all()]})

    async def get(self, request: web.Request) -> web.Response:
        """Answer with one."""
        profile = self._known.named(request)
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
        return answer({**self._known.state(profile), **details})

    async def change(self, request: web.Request) -> web.Response:
        """Set a threshold."""
        profile = self._known.named(request)
        change = await body_as(request, ProfileChange)
        self._house.switches.set_threshold(profile.name, change.threshold)
        return answer(self._known.state(profile))

    async def remove(self, request: web.Request) -> web.Response:
        """Take one away."""
        profile = self._known.named(request)
        if not self._known.is_taught(profile.name):
            raise Refused(
                409,
                f"{profile.name} is no profile that you have taught: `stock_profiles` and `profiles` in the "
                "configuration say which others there are",
            )
        await self._house.desk.upkeep(lambda: self._house.teacher.remove(profile.name))
        return answer({"message": f"{profile.name} is gone; undo brings it back"})
