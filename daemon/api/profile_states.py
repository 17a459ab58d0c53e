"""What is said of each profile that is listened for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from daemon.api.problems import not_found
from daemon.api.routes import API
from fewshot_profiles.folder import NAME_PATTERN
from foundation.wording import did_you_mean

if TYPE_CHECKING:
    from aiohttp import web

    from daemon.api.house import House
    from fewshot_profiles.profile import Profile


ONE = f"{API}/profiles/{{name}}"
PATTERNS = {"name": NAME_PATTERN.strip("^$")}


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


class KnownProfiles:
    """The profiles in force, by name."""

    def __init__(self, house: House) -> None:
        self._house = house

    def all(self) -> tuple[Profile, ...]:
        """Return all of them."""
        return self._house.profiles()

    def named(self, request: web.Request) -> Profile:
        """Return the one that a request is about. Raises Refused where there is none."""
        name = request.match_info["name"]
        profiles = {profile.name: profile for profile in self.all()}
        if name not in profiles:
            raise not_found("profile", name, did_you_mean(name, profiles))
        return profiles[name]

    def state(self, profile: Profile) -> dict[str, Any]:
        """Return a ProfileState."""
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

    def is_taught(self, name: str) -> bool:
        """Tell whether the owner has taught it here, or taken it in."""
        return (self._house.teacher.folder / name).is_dir()

    def _ships(self, name: str) -> bool:
        elsewhere = (folder / name for folder in self._house.config.profiles)
        return not self.is_taught(name) and not any(folder.is_dir() for folder in elsewhere)
