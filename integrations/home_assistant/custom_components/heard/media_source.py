"""Clips among Home Assistant's media: stream, day, profile, clip."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from homeassistant.components.media_player import BrowseError, MediaClass, MediaType
from homeassistant.components.media_source import (
    BrowseMediaSource,
    MediaSource,
    MediaSourceItem,
    PlayMedia,
    Unresolvable,
)
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .client import HeardError
from .const import DOMAIN
from .coordinator import HeardCoordinator, coordinators, evidence_path

_MIME = "audio/flac"
_PAGE = 200
_MOST_CLIPS = 10_000
"""Beyond these the oldest are not shown; the daemon's own page has them."""

Event = dict[str, Any]


async def async_get_media_source(hass: HomeAssistant) -> MediaSource:
    """Return the source of clips."""
    return ClipSource(hass)


class ClipSource(MediaSource):
    """Shows installation (where there are several), stream, day, profile and clip, each one level down."""

    name = "heard"

    def __init__(self, hass: HomeAssistant) -> None:
        super().__init__(DOMAIN)
        self._hass = hass

    async def async_resolve_media(self, item: MediaSourceItem) -> PlayMedia:
        """Return where a clip can be listened to."""
        _, parts = self._found(item.identifier)
        if len(parts) != 4:
            raise Unresolvable("This is a folder of clips, not a clip")
        return PlayMedia(evidence_path(parts[3], "clip.flac"), _MIME)

    async def async_browse_media(self, item: MediaSourceItem) -> BrowseMediaSource:
        """Return a folder with what is in it."""
        there = coordinators(self._hass)
        if not item.identifier and len(there) != 1:
            return _folder(
                "", "heard", [_folder(each.daemon.id, each.daemon.node) for each in there.values()]
            )
        coordinator, parts = self._found(item.identifier)
        if len(parts) > 3:
            raise BrowseError("This is a clip, not a folder of clips")
        try:
            return await _browse(coordinator, parts)
        except HeardError as error:
            raise BrowseError(f"heard {coordinator.daemon.node} does not answer: {error}") from error

    def _found(self, identifier: str) -> tuple[HeardCoordinator, list[str]]:
        """Return the daemon that an identifier names, and the names below it."""
        there = {each.daemon.id: each for each in coordinators(self._hass).values()}
        daemon_id, *parts = [unquote(part) for part in identifier.split("/")] if identifier else [*there]
        if daemon_id not in there:
            raise Unresolvable("No such heard is set up, or it cannot be reached")
        return there[daemon_id], parts


async def _browse(coordinator: HeardCoordinator, parts: list[str]) -> BrowseMediaSource:
    """Return the folder at `parts`: none, or a stream, or its day, or the day's profile."""
    here = _identifier(coordinator.daemon.id, *parts)
    if not parts:
        streams = [_folder(f"{here}/{_part(stream)}", stream) for stream in coordinator.daemon.streams]
        return _folder(here, f"heard {coordinator.daemon.node}", streams)
    events = await _events(coordinator, *parts)
    if len(parts) == 1:
        days = sorted({_started(event).date().isoformat() for event in events}, reverse=True)
        return _folder(here, parts[0], [_folder(f"{here}/{day}", day) for day in days])
    if len(parts) == 2:
        profiles = sorted({event["event_type"] for event in events})
        return _folder(here, parts[1], [_folder(f"{here}/{_part(name)}", name) for name in profiles])
    return _folder(here, parts[2], [_clip(here, event) for event in events])


async def _events(
    coordinator: HeardCoordinator, stream: str, day: str | None = None, profile: str | None = None
) -> list[Event]:
    """Return the events whose clips were kept, the newest first; raises BrowseError or HeardError."""
    query: dict[str, str | int] = {"stream": stream, "limit": _PAGE}
    if day is not None:
        begin = dt_util.start_of_local_day(_date(day))
        query["since"] = dt_util.as_utc(begin).isoformat()
        query["until"] = dt_util.as_utc(begin + timedelta(days=1)).isoformat()
    if profile is not None:
        query["profile"] = profile
    events: list[Event] = []
    while len(events) < _MOST_CLIPS:
        page = await coordinator.client.evidence(**query)
        events += [clip["event"] for clip in page["evidence"]]
        if not page.get("next"):
            break
        query["cursor"] = page["next"]
    return sorted(events, key=_started, reverse=True)


def _folder(
    identifier: str, title: str, children: Iterable[BrowseMediaSource] | None = None
) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=identifier,
        media_class=MediaClass.DIRECTORY,
        media_content_type=MediaType.MUSIC,
        title=title,
        can_play=False,
        can_expand=True,
        children_media_class=MediaClass.DIRECTORY,
        children=None if children is None else list(children),
    )


def _clip(folder: str, event: Event) -> BrowseMediaSource:
    return BrowseMediaSource(
        domain=DOMAIN,
        identifier=f"{folder}/{event['id']}",
        media_class=MediaClass.MUSIC,
        media_content_type=_MIME,
        title=f"{_started(event):%H:%M:%S}  {event['score']:.0%}",
        can_play=True,
        can_expand=False,
        thumbnail=None,
    )


def _started(event: Event) -> datetime:
    moment = dt_util.parse_datetime(event["started"])
    assert moment is not None
    return dt_util.as_local(moment)


def _date(day: str) -> date:
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise BrowseError(f"{day!r} is no day") from None


def _identifier(*parts: str) -> str:
    return "/".join(_part(part) for part in parts)


def _part(name: str) -> str:
    return quote(name, safe="")
