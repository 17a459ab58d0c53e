"""Follows one daemon: what it tells as it happens, and what it says when asked after a break."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypedDict

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback

from .client import CannotConnectError, HeardClient, HeardError, InvalidAuthError, LiveMessage
from .const import DOMAIN, LOGGER
from .models import Daemon, named

LONGEST_PAUSE_S = 60.0
SHORTEST_PAUSE_S = 1.0
RESUME_WITHIN_S = 60.0
"""After a longer break nothing is made up for: nobody wants to be told of an alarm an hour later."""
GONE_AFTER_S = 60.0
"""A camera that starts again, or a network that stumbles, is nothing to repair."""
LEVELS_EVERY = 5
"""The daemon tells levels once a second; every fifth is enough for a graph, and little for a recorder."""
STATUS_EVERY = 60
"""Faults of files, of the evidence folder and of the broker are only in the status, and nobody tells them."""

EVENT_CLIP = "heard_clip"
"""Home Assistant's own event for a clip that is ready, whoever brings the entities."""

Sound = Mapping[str, Any]
"""An event as the daemon tells it: event_type, id, phase, stream, score and so on."""


class Clip(TypedDict):
    """What the event `heard_clip` carries."""

    id: str
    stream: str
    profile: str
    clip: str
    spectrogram: str


class HeardCoordinator:
    """Keeps `daemon` true, and tells entities of changes, of sounds, and of clips that are ready."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry, client: HeardClient, daemon: Daemon) -> None:
        self.hass = hass
        self.entry = entry
        self.client = client
        self.daemon = daemon
        self.available = True
        self.brings_entities = False
        """Whether this component does, and not MQTT discovery."""
        self.newest: dict[str, Sound] = {}
        """The newest sound of each stream since Home Assistant follows it."""
        self._sounding: dict[tuple[str, str], set[str]] = {}
        self._update_listeners: list[CALLBACK_TYPE] = []
        self._sound_listeners: list[Callable[[Sound], None]] = []
        self._clip_listeners: list[Callable[[Clip], None]] = []
        self._heard_of: dict[str, Sound] = {}
        self._silent_since_s: dict[str, float] = {}
        self._last_id = ""
        self._told_s = 0.0
        self._said = 0

    async def follow(self) -> None:
        """Follow the daemon until cancelled, through every break."""
        failures = 0
        while True:
            if failures and self.hass.loop.time() - self._told_s > RESUME_WITHIN_S:
                self._last_id = ""
            try:
                async for message in self.client.live(self._last_id):
                    if message.type == "hello":
                        failures = 0
                        await self._caught_up(message)
                    await self._take(message)
                raise CannotConnectError("the daemon ended the connection")
            except InvalidAuthError as error:
                self._lost(error)
                self.entry.async_start_reauth(self.hass)
                return
            except HeardError as error:
                self._lost(error)
            # Full jitter: after a restart of the daemon, not everybody comes at once.
            longest_s = min(LONGEST_PAUSE_S, SHORTEST_PAUSE_S * 2.0**failures)
            await asyncio.sleep(random.uniform(0, longest_s))  # noqa: S311 - spreads load, guards nothing
            failures += 1

    async def refresh(self) -> None:
        """Ask for everything again, and tell entities."""
        self.daemon = await read_daemon(self.client)
        self._updated()

    def gone(self) -> list[str]:
        """Return the streams that should deliver audio, and have not for a while."""
        now_s = self.hass.loop.time()
        return [name for name, since_s in self._silent_since_s.items() if now_s - since_s >= GONE_AFTER_S]

    def sounding(self, stream: str, profile: str) -> bool:
        """Say whether a sound goes on."""
        return bool(self._sounding.get((stream, profile)))

    @callback
    def on_update(self, told: CALLBACK_TYPE) -> CALLBACK_TYPE:
        """Have `told` called whenever something stands otherwise; return how to end that."""
        return _joined(self._update_listeners, told)

    @callback
    def on_sound(self, told: Callable[[Sound], None]) -> CALLBACK_TYPE:
        """Have `told` called with every start of a sound; return how to end that."""
        return _joined(self._sound_listeners, told)

    @callback
    def on_clip(self, told: Callable[[Clip], None]) -> CALLBACK_TYPE:
        """Have `told` called with every clip that is ready; return how to end that."""
        return _joined(self._clip_listeners, told)

    async def _caught_up(self, hello: LiveMessage) -> None:
        """Ask anew after a break; a sound that went on before it may have ended unheard."""
        if not hello.body.get("resumed"):
            self._sounding.clear()
        self.daemon = await read_daemon(self.client)
        if not self.available:
            LOGGER.info("heard %s is back", self.daemon.node)
        self.available = True
        self._updated()

    async def _take(self, message: LiveMessage) -> None:
        self._last_id = message.id or self._last_id
        self._told_s = self.hass.loop.time()
        if message.type == "event":
            self._sound(message.body["event"])
        elif message.type == "clip":
            self._clip(message.body)
        elif message.type == "streams":
            await self._streams(named(message.body["streams"], "stream"))
        elif message.type == "changed":
            await self.refresh()

    def _sound(self, sound: Sound) -> None:
        self._heard_of.pop(sound["id"], None)
        self._heard_of[sound["id"]] = sound
        while len(self._heard_of) > 200:
            del self._heard_of[next(iter(self._heard_of))]
        key = (sound["stream"], sound["event_type"])
        if sound["phase"] == "started":
            self._sounding.setdefault(key, set()).add(sound["id"])
            self.newest[sound["stream"]] = sound
            for told in list(self._sound_listeners):
                told(sound)
        else:
            self._sounding.get(key, set()).discard(sound["id"])
        self._updated()

    def _clip(self, body: Mapping[str, Any]) -> None:
        sound = self._heard_of.get(body["id"])
        if sound is None:
            return
        clip = Clip(
            id=body["id"],
            stream=sound["stream"],
            profile=sound["event_type"],
            clip=evidence_path(body["id"], "clip.flac"),
            spectrogram=evidence_path(body["id"], "spectrogram.png"),
        )
        for told in list(self._clip_listeners):
            told(clip)
        self.hass.bus.async_fire(EVENT_CLIP, dict(clip))

    async def _streams(self, streams: dict[str, dict[str, Any]]) -> None:
        self._said += 1
        if self._said % STATUS_EVERY == 0:
            self.daemon = replace(self.daemon, status=await self.client.status())
        now_s = self.hass.loop.time()
        self._silent_since_s = {
            name: self._silent_since_s.get(name, now_s) for name, stream in streams.items() if _silent(stream)
        }
        changed = _without_levels(streams) != _without_levels(self.daemon.streams)
        self.daemon = replace(self.daemon, streams=streams)
        if changed or self._said % LEVELS_EVERY == 0:
            self._updated()

    def _lost(self, error: HeardError) -> None:
        if self.available:
            LOGGER.info("heard %s is not reachable: %s", self.daemon.node, error)
        self.available = False
        self._updated()

    def _updated(self) -> None:
        for told in list(self._update_listeners):
            told()


async def read_daemon(client: HeardClient) -> Daemon:
    """Ask a daemon for everything; raises HeardError."""
    status = await client.status()
    return Daemon(
        id=status["id"],
        node=status["node"],
        version=status["version"],
        status=status,
        streams=named(await client.streams(), "stream"),
        profiles=named(await client.profiles(), "name"),
        rules=named(await client.rules(), "id"),
    )


def coordinators(hass: HomeAssistant) -> dict[str, HeardCoordinator]:
    """Return who follows which daemon, by the id of its entry.

    `ConfigEntry.runtime_data` would be the place, but Home Assistant has it only since 2024.6.
    """
    found: dict[str, HeardCoordinator] = hass.data.setdefault(DOMAIN, {})
    return found


def evidence_path(event: str, file: str) -> str:
    """Return where Home Assistant hands out a clip or its picture, to those who are signed in."""
    return f"/api/heard/evidence/{event}/{file}"


def _joined(listeners: list[Any], told: Any) -> CALLBACK_TYPE:
    listeners.append(told)

    @callback
    def leave() -> None:
        listeners.remove(told)

    return leave


def _silent(stream: Mapping[str, Any]) -> bool:
    return bool(stream.get("listening", True) and not stream.get("online") and stream.get("problem"))


def _without_levels(streams: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    fleeting = {"level_dbfs", "noise_floor_dbfs", "scores"}
    return {
        name: {key: value for key, value in stream.items() if key not in fleeting}
        for name, stream in streams.items()
    }
