"""What follows from a sound or from what is said elsewhere: history, rules, MQTT, actions, who watches."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.deciding.faint_sounds import FaintSounds
from daemon.deciding.memory import Scribe, decided
from detectors.types import Phase, SoundEvent
from foundation.errors import EvidenceUnavailable
from rules.derived import derived_sounds
from rules.facts import time_of
from rules.model import EMIT, SAVE_CLIP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.acting.actions import ActionDispatcher
    from daemon.deciding.journal import RulesJournal
    from daemon.evidence.recorder import EvidenceRecorder
    from daemon.history import History
    from daemon.observer import Observer
    from daemon.outbox.outbox import Outbox
    from daemon.outbox.writer import Memory
    from daemon.pipeline import StreamReading
    from integrations.announcer import Announcer
    from rules.engine import Engine
    from rules.facts import Fact
    from rules.model import ActionRequest
    from rules.state import EngineState

SAVE_ALL = "evidence.save: all"
"""Stands in a sidecar where a rule's id would, when the configuration asked for the clip."""

KEEP_EVERY_S = 5.0
"""How often what others told is looked at: it changes without a decision, and is told again anyway."""

_log = logging.getLogger(__name__)


class EventClock:
    """The rules' clock: the audio's own time, carried on by the machine's between events. Never goes back."""

    def __init__(self) -> None:
        self._last = time.time()
        self._read_at_s = time.monotonic()

    def now(self, heard_at: float = 0.0) -> float:
        """Return the time; `heard_at` is that of an event that came just now."""
        read_at_s = time.monotonic()
        self._last = max(self._last + read_at_s - self._read_at_s, heard_at)
        self._read_at_s = read_at_s
        return self._last


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom an event concerns."""

    history: History
    recorder: EvidenceRecorder
    dispatcher: ActionDispatcher
    announcer: Announcer | None
    journal: RulesJournal
    observers: tuple[Observer, ...]
    clip_url: Callable[[SoundEvent], str]
    save_all: bool
    """Every event gets a clip, asked for or not."""


class Reactions:
    """Owns the state of the rules. None of its methods waits, but `keep_time`."""

    def __init__(
        self, engine: Engine, state: EngineState, reach: Reach, *, rules: str, began_at: float
    ) -> None:
        self.state = state
        self._kept: EngineState | None = None
        self._scribe = Scribe()
        self._engine = engine
        self._reach = reach
        self._clock = EventClock()
        self._with_clip: set[str] = set()
        self._stepped = asyncio.Event()
        self._faint = FaintSounds(reach.journal.faint)
        reach.journal.began(began_at, rules, deaf=True)

    def on_event(self, event: SoundEvent) -> None:
        """Take one sound to everyone whom it concerns."""
        self._reach.history.record(event)
        if event.caption is not None or event.transcript is not None:
            self._reach.recorder.told(event)
        self._faint.on_event(event)
        if self._reach.save_all and event.phase is Phase.STARTED:
            self._save_clip(event)
        requests = self._step(event, self._clock.now(event.decided_at))
        self._announce(event, requests)
        self._send(requests)
        self._show(event)

    def on_readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Look for sounds that were nearly recognised."""
        self._faint.readings(readings, self._clock.now())

    def on_fact(self, fact: Fact) -> None:
        """Take what another system said to the rules."""
        self._send(self._step(fact, self._clock.now(time_of(fact))))

    def now(self) -> float:
        """Return what the rules' clock shows."""
        return self._clock.now()

    def use(self, engine: Engine, *, rules: str) -> None:
        """Let other rules decide from now on. What waits for rules that are the same goes on waiting."""
        self._engine = engine
        self.state = engine.adopt(self.state)
        self._reach.journal.began(self._clock.now(), rules, deaf=False)
        self._stepped.set()

    async def keep_time(self) -> None:
        """Let the rules act when time alone makes them: after a delay, or as a sound goes on for long."""
        while True:
            self._stepped.clear()
            wake = self._engine.next_wake(self.state)
            wait_s = None if wake is None else max(0.0, wake - self._clock.now())
            try:
                # Not `wait_for`, which loses a cancellation that comes together with the event.
                async with asyncio.timeout(wait_s):
                    await self._stepped.wait()
            except TimeoutError:
                self._send(self._step(None, self._clock.now()))

    async def keep_memory(self, outbox: Outbox) -> None:
        """Have the state kept now and then, until cancelled."""
        known: EngineState | None = None
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            if self.state is not known:
                known = self.state
                outbox.remember(self.memory())

    def _step(self, fact: Fact | None, now: float) -> tuple[ActionRequest, ...]:
        self._reach.journal.told(now, fact)
        self.state, requests = self._engine.step(self.state, fact, now)
        self._stepped.set()
        return requests

    def _send(self, requests: Sequence[ActionRequest]) -> None:
        derived = [sound for made in requests if made.action == EMIT for sound in derived_sounds(made)]
        for sound in derived:
            self._reach.history.record(sound)
            self._announce(sound, requests)
        self._reach.dispatcher.submit(requests, self._memory_of(requests))
        for sound in derived:
            self._show(sound)

    def memory(self) -> Memory:
        """Return what writes down how the rules stand now."""
        return self._scribe.memory(self.state)

    def _memory_of(self, requests: Sequence[ActionRequest]) -> Memory | None:
        """Return what has to be kept together with `requests`, so that a restart goes on behind them."""
        if not requests and not decided(self._kept, self.state):
            return None
        self._kept = self.state
        return self.memory()

    def _announce(self, event: SoundEvent, requests: Sequence[ActionRequest]) -> None:
        clip_url = self._clip_of(event, requests)
        if self._reach.announcer is not None:
            self._reach.announcer.event(event, clip_url=clip_url)
        for observer in self._reach.observers:
            observer.published(event, clip_url)

    def _show(self, event: SoundEvent) -> None:
        for observer in self._reach.observers:
            observer.event(event)

    def _clip_of(self, event: SoundEvent, requests: Sequence[ActionRequest]) -> str | None:
        """Return the URL of the event's clip if one is being saved."""
        saved = [request.event for request in requests if request.action == SAVE_CLIP]
        if any(other is not None and other.id == event.id for other in saved):
            self._with_clip.add(event.id)
        known = event.id in self._with_clip
        if event.phase is Phase.ENDED:
            self._with_clip.discard(event.id)
        return self._reach.clip_url(event) if known else None

    def _save_clip(self, event: SoundEvent) -> None:
        try:
            self._reach.recorder.request(event, SAVE_ALL)
        except EvidenceUnavailable as error:
            _log.warning("no clip of event %s: %s", event.id, error)
        else:
            self._with_clip.add(event.id)
