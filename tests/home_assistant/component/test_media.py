"""Clips: found among Home Assistant's media, and played through it to those who are signed in."""

# ruff: noqa: ARG001 - fixtures are arguments

from __future__ import annotations

from urllib.parse import quote

import pytest
from homeassistant.components import media_source
from homeassistant.components.media_player import BrowseError
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.home_assistant.component.conftest import Daemon, comes

FLAC, PNG = b"fLaC", b"\x89PNG"


@pytest.fixture
async def clip(hass: HomeAssistant, entry: MockConfigEntry) -> Event:
    """A clip that is ready."""
    assert await async_setup_component(hass, "media_source", {})
    ready: list[Event] = []
    hass.bus.async_listen("heard_clip", ready.append)
    return (await comes(lambda: ready, what="a clip"))[0]


async def test_a_clip_is_found_and_listened_to(
    hass: HomeAssistant, clip: Event, steady: Daemon, hass_client: ClientSessionGenerator
) -> None:
    """Stream, day, profile, clip, each one level down; and the last one plays."""
    day = dt_util.now().date().isoformat()
    here = await media_source.async_browse_media(hass, "media-source://heard")
    for wanted in ("kitchen", day, "alarm_beep"):
        [here] = [child for child in here.children if child.title == wanted]
        here = await media_source.async_browse_media(hass, here.media_content_id)
    found = [child for child in here.children if child.media_content_id.endswith(clip.data["id"])]
    assert found[0].can_play
    media = await media_source.async_resolve_media(hass, found[0].media_content_id, None)
    assert (media.url, media.mime_type) == (clip.data["clip"], "audio/flac")
    answer = await (await hass_client()).get(media.url)
    assert (answer.status, answer.content_type) == (200, "audio/flac")
    assert (await answer.read()).startswith(FLAC)


async def test_part_of_a_clip_and_its_picture_are_handed_out(
    clip: Event, hass_client: ClientSessionGenerator
) -> None:
    """Players ask for parts to jump in a clip."""
    client = await hass_client()
    part = await client.get(clip.data["clip"], headers={"Range": "bytes=0-3"})
    assert (part.status, await part.read()) == (206, FLAC)
    assert part.headers["Content-Range"].startswith("bytes 0-3/")
    beyond = await client.get(clip.data["clip"], headers={"Range": "bytes=999999999-"})
    assert beyond.status == 416
    picture = await client.get(clip.data["spectrogram"])
    assert (picture.status, picture.content_type) == (200, "image/png")
    assert (await picture.read()).startswith(PNG)


async def test_who_is_not_signed_in_gets_nothing(
    clip: Event, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    for path in (clip.data["clip"], clip.data["spectrogram"]):
        assert (await client.get(path)).status == 401


@pytest.mark.parametrize(
    "path",
    [
        f"{'0' * 16}/clip.flac",
        f"{'0' * 16}/../status",
        f"{'0' * 16}/..%2F..%2Fstatus",
        "..%2Fstatus/clip.flac",
        f"{'0' * 16}/sidecar",
    ],
)
async def test_nothing_but_clips_and_pictures_is_handed_on(
    entry: MockConfigEntry, hass_client: ClientSessionGenerator, path: str
) -> None:
    """The way to clips is no way to the rest of the API."""
    answer = await (await hass_client()).get(f"/api/heard/evidence/{path}")
    assert answer.status in {400, 404}


async def test_the_image_is_the_newest_clips(
    hass: HomeAssistant, clip: Event, hass_client: ClientSessionGenerator
) -> None:
    state = await comes(lambda: hass.states.get("image.heard_kitchen_spectrogram"), what="the image")
    answer = await (await hass_client()).get(state.attributes["entity_picture"])
    assert (await answer.read()).startswith(PNG)


@pytest.mark.parametrize(
    "below", ["", "/kitchen", "/kitchen/tomorrow", "/kitchen/2026-01-01/a/b", "/no such"]
)
async def test_what_is_not_there_is_said(hass: HomeAssistant, entry: MockConfigEntry, below: str) -> None:
    """No place that anybody can write leads to anything but a folder, a clip or words."""
    assert await async_setup_component(hass, "media_source", {})
    identifier = f"media-source://heard/{entry.unique_id}{quote(below)}"
    with pytest.raises(media_source.Unresolvable):
        await media_source.async_resolve_media(hass, identifier.removesuffix("/a/b"), None)
    if "tomorrow" in below or "a/b" in below:
        with pytest.raises(BrowseError):
            await media_source.async_browse_media(hass, identifier)
