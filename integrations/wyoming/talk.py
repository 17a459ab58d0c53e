"""One satellite that asks for wake words: the dialogue of the protocol."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from wyoming.error import Error
from wyoming.info import Attribution, Info, WakeModel, WakeProgram
from wyoming.ping import Pong
from wyoming.wake import Detection, NotDetected

from integrations.wyoming.wire import NotWyoming, audio_format, read_event, timestamp_ms, write_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wyoming.event import Event

    from integrations.wyoming.ears import Ear, Ears, WakeWord, Woken
    from integrations.wyoming.wire import PcmFormat

IDLE_S = 600.0
"""A satellite sends nothing while it serves an assistant; one that is silent for longer has gone."""

TAKEN_S = 5.0
"""How long a satellite may take to read what it is told."""

_OURSELVES = Attribution(name="heard", url="")

_log = logging.getLogger(__name__)


def wake_info(words: Sequence[WakeWord], *, version: str) -> Info:
    """Return how wake words are offered."""
    models = [
        WakeModel(
            name=word.name,
            attribution=_OURSELVES,
            installed=True,
            description=word.description,
            version=word.version,
            languages=[],
            phrase=word.name.replace("_", " "),
        )
        for word in words
    ]
    program = WakeProgram(
        name="heard",
        attribution=_OURSELVES,
        installed=True,
        description="Sounds that heard was taught",
        version=version,
        models=models,
    )
    return Info(wake=[program])


class Talk:
    """One satellite: what it asked for, what it has sent, and what it is to be told."""

    def __init__(
        self, ears: Ears, writer: asyncio.StreamWriter, *, version: str, detected: Callable[[], None]
    ) -> None:
        self._ears = ears
        self._writer = writer
        self._version = version
        self._on_detection = detected
        self._names: frozenset[str] = frozenset()
        """Empty: any."""
        self._ear: Ear | None = None
        self._audio: PcmFormat | None = None
        self._started_ms = 0
        self._detected = False
        self._told: asyncio.Queue[Woken] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Return when the satellite has gone."""
        async with asyncio.TaskGroup() as group:
            telling = group.create_task(self._tell())
            try:
                await self._hear_out(reader)
            finally:
                telling.cancel()
                await self._close()

    async def _hear_out(self, reader: asyncio.StreamReader) -> None:
        while True:
            async with asyncio.timeout(IDLE_S):
                event = await read_event(reader)
            if event is None:
                return
            await self._take(event)

    async def _take(self, event: Event) -> None:
        match event.type:
            case "describe":
                await self._say(wake_info(self._ears.words(), version=self._version).event())
            case "ping":
                text = event.data.get("text")
                await self._say(Pong(text=text if isinstance(text, str) else None).event())
            case "detect":
                await self._listen_for(event.data.get("names"))
            case "audio-start":
                await self._close()
                self._open(audio_format(event), timestamp_ms(event))
            case "audio-chunk":
                await self._hear(event)
            case "audio-stop":
                await self._stop()
            case _:
                pass

    async def _listen_for(self, names: object) -> None:
        if names is not None and not (
            isinstance(names, list) and all(isinstance(name, str) for name in names)
        ):
            raise NotWyoming("names that are no list of text")
        self._names = frozenset(names or ())
        known = {word.name for word in self._ears.words()}
        if unknown := sorted(self._names - known):
            text = f"nothing here is called {', '.join(unknown)}; known: {', '.join(sorted(known))}"
            _log.warning("a satellite asked for what is no wake word: %s", text)
            await self._say(Error(text=text, code="unknown-wake-word").event())

    def _open(self, audio: PcmFormat, started_ms: int | None) -> None:
        self._audio = audio
        self._started_ms = started_ms or 0
        self._detected = False
        self._ear = self._ears.open(audio, self._told.put_nowait)

    async def _hear(self, event: Event) -> None:
        audio = audio_format(event)
        if self._ear is None or audio != self._audio:
            await self._close()
            self._open(audio, timestamp_ms(event))
        assert self._ear is not None
        if event.payload:
            await self._ear.hear(event.payload)

    async def _stop(self) -> None:
        """Answer the end of the audio, after everything that was recognised in it."""
        await self._close()
        await self._told.join()
        if not self._detected:
            await self._say(NotDetected().event())

    async def _tell(self) -> None:
        """Tell the satellite what it wanted to know, in a task of its own: it may be sending meanwhile."""
        while True:
            woken = await self._told.get()
            if not self._names or woken.name in self._names:
                self._detected = True
                self._on_detection()
                at_ms = self._started_ms + round(1_000 * woken.decided_s)
                await self._say(Detection(name=woken.name, timestamp=at_ms).event())
            self._told.task_done()

    async def _close(self) -> None:
        if self._ear is not None:
            ear, self._ear = self._ear, None
            await ear.close()

    async def _say(self, event: Event) -> None:
        await write_event(self._writer, event, within_s=TAKEN_S)
