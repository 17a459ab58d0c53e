"""What happens, told to any number of listeners as it happens. Each message is written down once, for all."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daemon.api.json_text import json_text
from daemon.observer import Observer
from foundation.errors import HeardError
from integrations.topics import event_payload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.pipeline import StreamReading
    from detectors.types import SoundEvent
    from rules.model import ActionRequest

MOST_WAITING = 512
"""Messages that wait for one listener, ten seconds of fifty a second: with one more it is let go."""
BACKLOG = 1_000
"""Messages that are kept for listeners that come back."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """One message. `number` grows, and is 0 where coming back does not bring it again."""

    kind: str
    number: int
    text: str
    """JSON."""

    @cached_property
    def as_json(self) -> bytes:
        """Return it as a WebSocket takes it."""
        return self.text.encode()

    @cached_property
    def as_sse(self) -> bytes:
        """Return it as a stream of server-sent events takes it."""
        number = f"id: {self.number}\n" if self.number else ""
        return f"event: {self.kind}\n{number}data: {self.text}\n\n".encode()


class Listener:
    """One who listens. What it was too slow for waits, up to a bound."""

    def __init__(self, who: str) -> None:
        self.who = who
        self.let_go_because = ""
        """Why it hears no more; empty while it does."""
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._on_let_go: Callable[[], None] | None = None

    def put(self, message: Message) -> bool:
        """Let a message wait for it; tell whether there was room."""
        if len(self._waiting) >= MOST_WAITING:
            return False
        self._waiting.append(message)
        self._news.set()
        return True

    def let_go(self, because: str) -> None:
        """Tell it nothing more."""
        if self.let_go_because:
            return
        self.let_go_because = because
        self._waiting.clear()
        self._news.set()
        if self._on_let_go is not None:
            self._on_let_go()

    def when_let_go(self, do: Callable[[], None]) -> None:
        """Call `do` at once when it is let go: it may be stuck in sending."""
        self._on_let_go = do

    async def next(self) -> list[Message]:
        """Wait for messages; return all that wait, none when it was let go."""
        while not self._waiting and not self.let_go_because:
            self._news.clear()
            await self._news.wait()
        messages = list(self._waiting)
        self._waiting.clear()
        return messages


class Feed(Observer):
    """Tells listeners what happens, and keeps what each stream sounds like now."""

    def __init__(self) -> None:
        # Numbers go on growing over a restart: a listener that comes back is not told anything twice.
        self._number = int(time.time()) * 1_024
        self._backlog: deque[Message] = deque(maxlen=BACKLOG)
        self._first_kept = self._number + 1
        self._listeners: set[Listener] = set()
        self.newest: dict[str, StreamReading] = {}
        """What each stream sounds like now."""
        self.let_go = 0
        """Listeners that did not read."""
        self.clip_url: Callable[[str], str] = lambda event_id: event_id
        """Where the clip of an event is, by its id."""
        self.picture_url: Callable[[str], str] = lambda event_id: event_id

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @property
    def number(self) -> int:
        """The number of the newest message."""
        return self._number

    def listen(self, who: str, *, after: int | None = None) -> tuple[Listener, bool]:
        """Begin to tell somebody, from behind message `after` on; tell whether that is still known whole."""
        listener = Listener(who)
        whole = True
        if after is not None:
            whole = self._first_kept <= after + 1 <= self._number + 1
            missed = [message for message in self._backlog if message.number > after] if whole else []
            for message in missed[-MOST_WAITING:]:
                listener.put(message)
            whole = whole and len(missed) <= MOST_WAITING
        self._listeners.add(listener)
        return listener, whole

    def leave(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        self._listeners.discard(listener)

    def say(self, kind: str, body: Mapping[str, Any]) -> None:
        """Tell everybody, those that come back too."""
        self._number += 1
        text = json_text({"type": kind, "seq": self._number, **body})
        message = Message(kind, self._number, text)
        if len(self._backlog) == BACKLOG:
            self._first_kept = self._backlog[0].number + 1
        self._backlog.append(message)
        self._tell(message)

    def say_in_passing(self, kind: str, body: Mapping[str, Any]) -> None:
        """Tell whoever listens now; it is not kept."""
        if self._listeners:
            self._tell(Message(kind, 0, json_text({"type": kind, **body})))

    def readings(self, readings: Mapping[str, StreamReading]) -> None:
        """Keep what the streams sound like."""
        self.newest.update(readings)

    def published(self, event: SoundEvent, clip_url: str | None) -> None:
        """Tell of a sound."""
        self.say("event", {"event": event_payload(event, clip_url=clip_url)})

    def action(self, request: ActionRequest, failure: Exception | None) -> None:
        """Tell of an action. What it carried stays here: it may be secret."""
        why = str(failure) if isinstance(failure, HeardError) else type(failure).__name__
        self.say(
            "action",
            {
                "id": request.id,
                "rule": request.rule_id,
                "action": request.action,
                "event": None if request.event is None else request.event.id,
                "ok": failure is None,
                "error": None if failure is None else why,
            },
        )

    def clip(self, event: SoundEvent, path: Path) -> None:  # noqa: ARG002 - an observer's
        """Tell that a clip is there."""
        self.say(
            "clip",
            {"id": event.id, "clip": self.clip_url(event.id), "spectrogram": self.picture_url(event.id)},
        )

    def changed(self, what: str) -> None:
        """Tell that profiles, rules or switches are others now."""
        self.say("changed", {"what": what})

    def let_go_of(self, listener: Listener, because: str) -> None:
        """Tell a listener nothing more, and say why in the log."""
        if listener in self._listeners:
            self.let_go += 1
            self._listeners.discard(listener)
            _log.warning("live listener %s let go: it %s", listener.who, because)
        listener.let_go(because)

    def _tell(self, message: Message) -> None:
        for listener in list(self._listeners):
            if not listener.put(message):
                self.let_go_of(listener, f"did not read: {MOST_WAITING} messages waited")
