"""A connection that breaks while heard goes on: what was told meanwhile is told again."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.event import EventStateChangedData, async_track_state_change_event
from homeassistant.helpers.typing import EventType

from tests.home_assistant.component.conftest import Daemon, asked, comes, set_up

SOUND = "event.heard_kitchen_sound"


class Cable:
    """Leads to a daemon, and can be pulled out."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._carrying: set[asyncio.Task[None]] = set()
        self.port = 0

    async def plug(self) -> None:
        """Carry what comes."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def pull(self) -> None:
        """Break everything off."""
        assert self._server is not None
        self._server.close()
        for end in list(self._ends):
            end.transport.abort()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, far_writer}
        self._ends |= ends
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(_carry(source, sink))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await source.read(65_536):
            sink.write(piece)
            await sink.drain()
    sink.transport.abort()


async def test_a_sound_of_a_short_break_is_told_after_it(hass: HomeAssistant, steady: Daemon) -> None:
    """Home Assistant goes on where it was, and fires for what it missed."""
    cable = Cable(steady.port)
    await cable.plug()
    entry = await set_up(hass, steady, data={"url": f"http://127.0.0.1:{cable.port}"})
    await comes(lambda: hass.states.get(SOUND).attributes.get("id"), what="a sound")
    await cable.pull()
    await comes(lambda: hass.states.is_state(SOUND, STATE_UNAVAILABLE), what="the break")
    newest = (await asked(hass, steady, "events?limit=1"))["events"][0]["id"]
    missed = newest
    while missed == newest:
        await asyncio.sleep(0.2)
        missed = (await asked(hass, steady, "events?limit=1"))["events"][0]["id"]
    fired: list[str] = []

    @callback
    def note(event: EventType[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        fired.append("" if state is None else state.attributes.get("id", ""))

    async_track_state_change_event(hass, [SOUND], note)
    await cable.plug()
    await comes(lambda: missed in fired, what="what was missed", patience_s=10)
    await hass.config_entries.async_unload(entry.entry_id)
    await cable.pull()
