"""The one table of what can be asked: requests are answered, and the API described, from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

    from daemon.api.answers import Handler
    from daemon.api.tokens import Scope

API = "/api/v1"

EVENT_ID = "[0-9a-f]{16}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One thing that can be asked."""

    method: str
    path: str
    """With {names} for what varies."""
    name: str
    scope: Scope | None
    """None: anybody may ask."""
    summary: str
    handler: Handler
    patterns: Mapping[str, str] = field(default_factory=dict)
    """What varies in the path, by name, as a regular expression; by default anything without a slash."""
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_media: str = "application/json"
    body_schema: Mapping[str, Any] | None = None
    """Of a body that is not JSON."""
    returns: Any = None
    """The type of an answer of JSON."""
    media: tuple[str, ...] = ("application/json",)
    """Other than JSON: what is returned."""
    fails: tuple[int, ...] = ()
    """Refusals besides those that any request may meet."""
    status: int = 200

    @property
    def pattern(self) -> str:
        """Return the path as the router takes it."""
        path = self.path
        for name, pattern in self.patterns.items():
            path = path.replace(f"{{{name}}}", f"{{{name}:{pattern}}}")
        return path
