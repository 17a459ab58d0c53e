"""What the component knows of a daemon at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """One running heard, as it described itself when it was last asked."""

    id: str
    """The same for as long as the installation lives."""
    node: str
    version: str
    status: Mapping[str, Any]
    streams: Mapping[str, Mapping[str, Any]]
    """By name, as `GET /streams` says; refreshed once a second by what the daemon tells."""
    profiles: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]


def named(things: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """Return things by what they are called."""
    return {thing[key]: thing for thing in things}
