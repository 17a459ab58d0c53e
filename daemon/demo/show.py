"""Watches the daemon at work and shows it: a live table where the terminal can redraw, lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from daemon.demo.folder import NODE, STREAM
from daemon.demo.report import HeardSound, sounding_at
from daemon.demo.table import Line, View, lines_for, plain, render
from daemon.observer import Observer
from detectors.types import Phase
from integrations.topics import Topics
from rules.model import MQTT_PUBLISH

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from daemon.demo.scene import Scene
    from daemon.pipeline import StreamReading
    from detectors.types import SoundEvent
    from rules.model import ActionRequest

REDRAW_S = 0.125
"""Fast enough for the eye, slow enough to cost nothing."""


class Show(Observer):
    """Collects what the daemon reports about one scene, and draws it."""

    def __init__(self, console: Console, scene: Scene, thresholds: Mapping[str, float]) -> None:
        self.heard: dict[str, HeardSound] = {}
        """By the event's id."""
        self._console = console
        self._scene = scene
        self._thresholds = thresholds
        self._redraws = console.is_terminal and not console.is_dumb_terminal
        self._began_s: float | None = None
        self._reading: StreamReading | None = None
        self._lines: dict[str, list[Line]] = {"heard": [], "rule": [], "mqtt": []}

    def ready(self) -> None:
        """The scene begins."""
        self._began_s = asyncio.get_running_loop().time()

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Keep the newest reading for the next drawing."""
        self._reading = readings.get(STREAM, self._reading)

    def event(self, event: SoundEvent) -> None:
        """Remember what was heard, with the best score that it reaches."""
        known = self.heard.get(event.id)
        clip = None if known is None else known.clip
        self.heard[event.id] = HeardSound(
            profile=event.profile, onset_s=event.onset_s, score=event.score, clip=clip
        )
        if event.phase is Phase.STARTED:
            self._tell("heard", f"{event.profile} from {event.onset_s:.2f} s on, score {event.score:.2f}")

    def action(self, request: ActionRequest, failure: Exception | None) -> None:
        """Tell what a rule did."""
        target = f" to {request.data['topic']}" if request.action == MQTT_PUBLISH else ""
        result = "" if failure is None else f" failed: {failure}"
        self._tell("rule", f"{request.rule_id}: {request.action}{target}{result}")

    def clip(self, event: SoundEvent, path: Path) -> None:
        """Remember which clip belongs to which sound."""
        known = self.heard.get(event.id)
        if known is not None:
            self.heard[event.id] = HeardSound(
                profile=known.profile, onset_s=known.onset_s, score=known.score, clip=path
            )

    async def receive(self, port: int, subscribed: asyncio.Event) -> None:
        """Be an ordinary MQTT client, and tell about each event and each message of a rule that arrives."""
        from aiomqtt import Client

        from daemon.demo.broker import LOOPBACK

        async with Client(LOOPBACK, port) as client:
            await client.subscribe(Topics(prefix="heard", node=NODE).event(STREAM))
            await client.subscribe("home/#")
            subscribed.set()
            async for message in client.messages:
                payload = message.payload
                text = payload.decode(errors="replace") if isinstance(payload, bytes) else str(payload)
                self._tell("mqtt", f"{message.topic} {text}")

    async def draw(self) -> None:
        """Redraw the table until cancelled; where the terminal cannot, lines were printed as they came."""
        if not self._redraws:
            return
        from rich.live import Live

        with Live(console=self._console, auto_refresh=False) as live:
            while True:
                live.update(render(self._view()), refresh=True)
                await asyncio.sleep(REDRAW_S)

    def _view(self) -> View:
        at_s = min(self._now_s(), self._scene.seconds)
        return View(
            at_s=at_s,
            total_s=self._scene.seconds,
            playing=sounding_at(self._scene, at_s),
            reading=self._reading,
            thresholds=self._thresholds,
            events=self._lines["heard"],
            actions=self._lines["rule"],
            messages=self._lines["mqtt"],
            lines=lines_for(self._console.height),
        )

    def _tell(self, kind: str, text: str) -> None:
        line = Line(at_s=self._now_s(), text=text)
        self._lines[kind].append(line)
        if not self._redraws:
            self._console.print(plain(kind, line), markup=False, highlight=False, soft_wrap=True)

    def _now_s(self) -> float:
        return 0.0 if self._began_s is None else asyncio.get_running_loop().time() - self._began_s
