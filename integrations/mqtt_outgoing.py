"""What is to be said to the broker: messages in their order, and of every state its newest value."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from foundation.errors import ActionError, BrokerUnavailable
from integrations.mqtt_broker import Refusal
from integrations.topics import check_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from integrations.mqtt_broker import BrokerClient

MAX_WAITING = 10_000
"""Messages kept while the broker is away. At 300 bytes each that is 3 MB."""

MAX_REFUSALS = 100
"""Topics that a broker refuses are remembered up to here."""

MOST_HANG_UPS = 5
"""What a broker has hung up at so often is not said again: whatever waits behind it wants to be heard."""

HUNG_UP = Refusal(f"it hung up {MOST_HANG_UPS} times; the message may be too long for it")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Message:
    """One thing to be said once."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expires_at_s: float | None = None
    """On the monotonic clock: nobody wants to hear it later."""
    id: str = ""
    """What tells the other side that a message is the same one again; empty: it has none."""
    acknowledged: asyncio.Future[None] | None = None
    """Who waits for the broker to have it. Such a message is never dropped for others."""


def message(
    topic: str,
    payload: str,
    *,
    qos: int,
    retain: bool = False,
    expires_s: float | None = None,
    id: str = "",  # noqa: A002 - what it is
) -> Message:
    """Return what can be said. Raises ActionError for what MQTT does not know."""
    check_topic(topic)
    if qos not in {0, 1, 2}:
        raise ActionError(f"the quality of service of an MQTT message is 0, 1 or 2, not {qos!r}")
    try:
        content = payload.encode()
    except UnicodeEncodeError as error:
        raise ActionError(f"the MQTT payload for {topic!r} is not valid Unicode: {error}") from error
    expires_at_s = None if expires_s is None else time.monotonic() + expires_s
    return Message(topic=topic, payload=content, qos=qos, retain=retain, expires_at_s=expires_at_s, id=id)


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    payload: str
    at_rest: str | None


class Outgoing:
    """Keeps what is to be said until the broker has it; `wake` is called whenever there is more."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._messages: deque[Message] = deque()
        self._states: dict[str, _State] = {}
        self._unsaid: dict[str, None] = {}
        self._hang_ups: dict[str, int] = {}
        self._refusals_told: set[str] = set()
        self.refusals: dict[str, str] = {}
        """Topics that the broker does not let us publish to, and its reason; of this connection."""
        self.dropped = 0
        """Messages lost because too many were waiting, or because nobody wanted them any more."""

    @property
    def waiting(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._messages)

    def put(self, new: Message) -> None:
        """Say a message after those that wait; when too many do, the oldest goes."""
        if len(self._messages) >= MAX_WAITING:
            oldest = next((each for each in self._messages if each.acknowledged is None), None)
            if oldest is not None:
                self._messages.remove(oldest)
                self.dropped += 1
        self._messages.append(new)
        self._wake()

    async def deliver(self, new: Message) -> None:
        """Say a message, and return when the broker has it; cancelled before, it is not said any more.

        Raises ActionError where the broker refuses it, BrokerUnavailable where it does so for now.
        """
        acknowledged = asyncio.get_running_loop().create_future()
        new = replace(new, acknowledged=acknowledged)
        self.put(new)
        try:
            await acknowledged
        finally:
            with suppress(ValueError):
                self._messages.remove(new)

    def set_state(self, topic: str, payload: str, *, at_rest: str | None) -> None:
        """Make `payload` the retained value of `topic`."""
        check_topic(topic)
        state = _State(payload=payload, at_rest=at_rest)
        if self._states.get(topic) != state:
            self._states[topic] = state
            self._unsaid[topic] = None
            self._one_more_try(topic)
            self._wake()

    def say_again(self, topics: Iterable[str] | None = None) -> None:
        """Say these states once more; None: all of them."""
        self._unsaid |= dict.fromkeys(self._states if topics is None else topics)
        self._wake()

    def rest(self) -> None:
        """Bring every state to where a clean stop leaves it."""
        for topic, state in list(self._states.items()):
            if state.at_rest is not None:
                self.set_state(topic, state.at_rest, at_rest=state.at_rest)

    def begin(self) -> None:
        """Take note of a new connection: it is told every state, and may refuse other things."""
        self._unsaid = dict.fromkeys(self._states)
        self.refusals.clear()

    async def say_states(self, client: BrokerClient) -> None:
        """Say every state that is news."""
        while self._unsaid:
            topic = next(iter(self._unsaid))
            del self._unsaid[topic]
            state = self._states.get(topic)
            if state is None:
                continue
            if self._is_hopeless(topic):
                self._note(topic, HUNG_UP)
                continue
            self._note(topic, await self._say(client, topic, state.payload, qos=1, retain=True))
            if not state.payload and self._states.get(topic) is state:
                # An empty one takes what was retained away; there is nothing to say again.
                del self._states[topic]

    async def say_messages(self, client: BrokerClient) -> None:
        """Say what waits, as long as no state is news."""
        while self._messages and not self._unsaid:
            first = self._messages[0]
            expires_s = None if first.expires_at_s is None else first.expires_at_s - time.monotonic()
            if expires_s is not None and expires_s <= 0:
                self._messages.popleft()
                self.dropped += 1
                continue
            if self._is_hopeless(first.topic):
                self._one_more_try(first.topic)
                self.dropped += 1
                refusal: Refusal | None = HUNG_UP
            else:
                refusal = await self._say(
                    client,
                    first.topic,
                    first.payload,
                    qos=first.qos,
                    retain=first.retain,
                    expires_s=expires_s,
                    id=first.id,
                )
            self._note(first.topic, refusal)
            # While we waited for the broker, this one may have become the oldest of too many.
            if self._messages and self._messages[0] is first:
                self._messages.popleft()
            _settle(first, refusal)

    async def _say(
        self, client: BrokerClient, topic: str, payload: bytes | str, **how: Any
    ) -> Refusal | None:
        try:
            refusal = await client.say(topic, payload, **how)
        except BaseException:
            if client.hung_up:
                self._hang_ups[topic] = self._hang_ups.get(topic, 0) + 1
            raise
        self._hang_ups.pop(topic, None)
        return refusal

    def _is_hopeless(self, topic: str) -> bool:
        return self._hang_ups.get(topic, 0) >= MOST_HANG_UPS

    def _one_more_try(self, topic: str) -> None:
        """Let what comes next to a topic at which the broker hung up prove itself."""
        if self._is_hopeless(topic):
            self._hang_ups[topic] = MOST_HANG_UPS - 1

    def _note(self, topic: str, refusal: Refusal | None) -> None:
        if refusal is None:
            self.refusals.pop(topic, None)
            return
        if len(self.refusals) < MAX_REFUSALS:
            self.refusals[topic] = refusal.reason
        if topic not in self._refusals_told and len(self._refusals_told) < MAX_REFUSALS:
            self._refusals_told.add(topic)
            _log.warning("the MQTT broker does not let us publish to %s: %s", topic, refusal.reason)


def _settle(said: Message, refusal: Refusal | None) -> None:
    """Tell whoever waits for a message."""
    if said.acknowledged is None or said.acknowledged.done():
        return
    if refusal is None:
        said.acknowledged.set_result(None)
        return
    text = f"the MQTT broker does not let us publish to {said.topic}: {refusal.reason}"
    said.acknowledged.set_exception(BrokerUnavailable(text) if refusal.for_now else ActionError(text))
