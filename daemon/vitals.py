"""Watches the running daemon: feeds the service manager's watchdog, tells MQTT, answers `heard status`."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from daemon.logs import Changes
from daemon.observer import Observer
from daemon.status import DoorStatus, MqttStatus, OutboxStatus, Status, StreamStatus
from daemon.streams.health import Health
from detectors.types import Phase
from integrations.announcer import STATS_PERIOD_S

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.history import History
    from daemon.notify import Notifier
    from daemon.outbox.outbox import Outbox
    from daemon.pipeline import StreamReading
    from daemon.streams.capture import Capture
    from detectors.types import SoundEvent
    from integrations.announcer import Announcer
    from integrations.mqtt import MqttLink
    from rules.model import ActionRequest

BEAT_S = 1.0
TROUBLES_TOLD = 3
"""Targets that take nothing, of which the status tells; those for which most waits."""

DEAF_AFTER_S = 10.0
"""Sources bring audio many times a second; without any for so long, nothing is heard."""

_log = logging.getLogger(__name__)


class Tally(Observer):
    """Counts what happens, and remembers the newest of each."""

    def __init__(self) -> None:
        self.rounds = 0
        """Pieces of work that the pipeline has finished."""
        self.events = 0
        """Sounds that started."""
        self.actions = 0
        """Actions that went out."""
        self.newest_reading: dict[str, StreamReading] = {}
        self.newest_event: dict[str, SoundEvent] = {}

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Take note that the pipeline has finished a piece of work."""
        self.rounds += 1
        self.newest_reading.update(readings)

    def event(self, event: SoundEvent) -> None:
        """Count a sound when it starts."""
        if event.phase is Phase.STARTED:
            self.events += 1
            self.newest_event[event.stream] = event

    def action(self, request: ActionRequest, failure: Exception | None) -> None:  # noqa: ARG002 - an observer's
        """Count an action that went out."""
        self.actions += failure is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What there is to watch."""

    node: str
    id: str
    """The same for as long as the state folder is kept."""
    api: str
    """Where the HTTP API is found, or why nowhere."""
    state_dir: Path
    encoder: str
    audio_model: Callable[[], str]
    """Which there is, where, and how it does."""
    satellites: Callable[[], str]
    """What they are served, and how many there are."""
    profiles: Callable[[], int]
    """How many are in force."""
    profiles_fault: Callable[[], str | None]
    """Why what was changed last is not in force."""
    rules: Callable[[], int]
    """How many are in force."""
    rules_fault: Callable[[], str | None]
    """Why what was saved last is not in force."""
    captures: Mapping[str, Capture]
    sources: Mapping[str, str]
    """What each stream listens to, in words."""
    tally: Tally
    history: History
    recorder: EvidenceRecorder
    outbox: Outbox
    link: MqttLink | None
    discovery: bool
    """Whether Home Assistant is told of this node over the link."""
    announcer: Announcer | None


class Vitals:
    """Reads, and changes nothing in what it watches."""

    def __init__(self, body: Body, notifier: Notifier) -> None:
        self._body = body
        self._notifier = notifier
        self._changes = Changes(_log)
        self._started_at = time.time()
        self._since: dict[str, tuple[str, float]] = {}
        self._progress_fed = (0, 0)
        self._progressed_s = -math.inf
        self._line_told = ""
        self._stats_said_s = -math.inf
        self._stats_told: tuple[int, tuple[int, str | None]] | None = None

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._beat()
            await asyncio.sleep(BEAT_S)

    def _line(self) -> str:
        """Return the daemon's state in one line."""
        online = sum(capture.online for capture in self._body.captures.values())
        doors = "" if self._body.link is None else f", MQTT {self._mqtt().state}"
        return (
            f"{online} of {len(self._body.captures)} streams online, {self._body.tally.events} sounds{doors}"
        )

    def status(self) -> Status:
        """Return everything there is to know now."""
        body = self._body
        return Status(
            node=body.node,
            id=body.id,
            version=version("heard"),
            pid=os.getpid(),
            state_dir=str(body.state_dir),
            started_at=self._started_at,
            now=time.time(),
            encoder=body.encoder,
            audio_model=body.audio_model(),
            api=body.api,
            satellites=body.satellites(),
            profiles=body.profiles(),
            profile_files=self._profile_files(),
            rules=body.rules(),
            rule_files=self._rule_files(),
            events=body.tally.events,
            actions=body.tally.actions,
            streams=tuple(self._stream(capture) for capture in body.captures.values()),
            outbox=self._outbox(),
            mqtt=self._mqtt(),
            **self._doors(),
        )

    def deaf(self) -> str | None:
        """Return why nothing is heard; None while something is, or the owner wants nothing heard."""
        wanted = [capture for capture in self._body.captures.values() if capture.listening]
        if not wanted:
            return None
        if not any(capture.online for capture in wanted):
            return "no stream is online"
        since_s = time.monotonic() - self._progressed_s
        if since_s > DEAF_AFTER_S:
            return f"no audio has been worked through for {min(since_s, 999_999):.0f} s"
        return None

    def _beat(self) -> None:
        self._feed_watchdog()
        # Looked at once a second, so that `since` is right whoever asks, and whenever.
        self._doors()
        self._outbox()
        if (line := self._line()) != self._line_told:
            self._line_told = line
            self._notifier.status(line)
        for capture in self._body.captures.values():
            wanted = {Health.OK, Health.DISABLED}
            level = logging.DEBUG if capture.health in wanted else logging.WARNING
            self._changes.note(f"health of {capture.stream}", capture.health.value, level=level)
            self._announce(capture)
        self._tell_stats()

    def _tell_stats(self) -> None:
        announcer, link = self._body.announcer, self._body.link
        # What is said before the broker has let us in is lost; whoever came with it has heard nothing yet.
        if announcer is None or link is None or not link.connected:
            return
        news = (link.connections, (self._body.rules(), self._body.rules_fault()))
        if news != self._stats_told or time.monotonic() - self._stats_said_s >= STATS_PERIOD_S:
            self._stats_said_s, self._stats_told = time.monotonic(), news
            announcer.stats(self._stats())

    def _feed_watchdog(self) -> None:
        """Feed it only if audio arrived and was worked through since the last time: a deaf daemon starves.

        One whose owner has switched every stream off is not deaf.
        """
        if not any(capture.listening for capture in self._body.captures.values()):
            self._notifier.alive()
            return
        received = sum(capture.received_samples for capture in self._body.captures.values())
        progress = (received, self._body.tally.rounds)
        if all(now > before for now, before in zip(progress, self._progress_fed, strict=True)):
            self._progress_fed = progress
            self._progressed_s = time.monotonic()
            self._notifier.alive()

    def _announce(self, capture: Capture) -> None:
        announcer = self._body.announcer
        if announcer is None:
            return
        announcer.status(capture.stream, online=capture.online)
        announcer.health(capture.stream, capture.health.value)
        reading = self._body.tally.newest_reading.get(capture.stream)
        if reading is not None and capture.online:
            announcer.level(
                capture.stream,
                level_dbfs=reading.level_dbfs,
                noise_floor_dbfs=reading.noise_floor_dbfs,
                now_s=time.monotonic(),
            )

    def _stats(self) -> dict[str, Any]:
        outbox = self._body.outbox.figures()
        return {
            "uptime_s": round(time.time() - self._started_at),
            "events": self._body.tally.events,
            "actions": self._body.tally.actions,
            "actions_waiting": outbox.waiting,
            "actions_expired": outbox.expired + outbox.pushed_out,
            "rules": self._body.rules(),
            "rules_fault": self._body.rules_fault(),
            "clips": self._body.recorder.stored_clips,
            "dropped_samples": sum(capture.dropped_samples for capture in self._body.captures.values()),
        }

    def _stream(self, capture: Capture) -> StreamStatus:
        reading = self._body.tally.newest_reading.get(capture.stream)
        event = self._body.tally.newest_event.get(capture.stream)
        return StreamStatus(
            stream=capture.stream,
            source=self._body.sources[capture.stream],
            online=capture.online,
            health=capture.health.value,
            problem=capture.problem,
            level_dbfs=_rounded(reading.level_dbfs) if reading and capture.online else None,
            noise_floor_dbfs=_rounded(reading.noise_floor_dbfs) if reading and capture.online else None,
            gate_duty=0.0 if reading is None else round(reading.encoder_hops / reading.hops, 4),
            hops=0 if reading is None else reading.hops,
            dropped_samples=capture.dropped_samples,
            reopened=capture.reopened,
            last_event="" if event is None else event.profile,
            last_event_at=None if event is None else event.onset_at,
        )

    def _doors(self) -> dict[str, DoorStatus]:
        recorder, history = self._body.recorder, self._body.history
        return {
            "evidence": self._door("evidence", "failing" if recorder.fault else "ok", recorder.fault),
            "history": self._door("history", "in memory" if history.fault else "ok", history.fault),
        }

    def _outbox(self) -> OutboxStatus:
        figures = self._body.outbox.figures()
        troubles = [f"{each.target}: {each.problem} ({each.waiting} wait)" for each in figures.troubles]
        door = self._door(
            "outbox",
            "in memory" if figures.fault else "ok",
            figures.fault or "; ".join(troubles[:TROUBLES_TOLD]),
        )
        return OutboxStatus(
            state=door.state,
            since=door.since,
            error=door.error,
            waiting=figures.waiting,
            oldest_s=None if figures.oldest_s is None else round(figures.oldest_s, 1),
            delivered=figures.delivered,
            failed=figures.failed,
            expired=figures.expired,
            pushed_out=figures.pushed_out,
            dropped=figures.dropped,
        )

    def _rule_files(self) -> DoorStatus:
        fault = self._body.rules_fault()
        return self._door("rule files", "refused" if fault else "ok", fault)

    def _profile_files(self) -> DoorStatus:
        fault = self._body.profiles_fault()
        return self._door("profile files", "refused" if fault else "ok", fault)

    def _mqtt(self) -> MqttStatus:
        link = self._body.link
        if link is None:
            return MqttStatus(state="not configured", since=None, error="", discovery=False)
        door = self._door("mqtt", "connected" if link.connected else "disconnected", link.problem)
        return MqttStatus(**asdict(door), discovery=self._body.discovery)

    def _door(self, door: str, state: str, error: str | None) -> DoorStatus:
        known, since = self._since.get(door, ("", 0.0))
        if known != state:
            since = time.time()
            self._since[door] = (state, since)
        return DoorStatus(state=state, since=since, error=error or "")


def _rounded(dbfs: float) -> float | None:
    # JSON knows no infinity, which digital silence has for a level.
    return round(dbfs, 1) if math.isfinite(dbfs) else None
