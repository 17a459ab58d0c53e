"""What is listened to on the broker, and to whom each message goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiomqtt import Message

from integrations.mqtt_broker import BrokerClient

QOS = 1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message that somebody published."""

    topic: str
    payload: bytes
    retained: bool
    """The broker had kept it from before we listened."""


def only_new(on_command: Callable[[Said], None]) -> Callable[[Said], None]:
    """Return who passes commands on, but none that the broker had kept: an old command must not act."""

    def on_said(said: Said) -> None:
        if not said.retained:
            on_command(said)
        elif said.payload:
            _log.warning(
                "a retained message on %s is an old command and was ignored: publish commands without retain",
                said.topic,
            )

    return on_said


class Listening:
    """Holds who wants to hear what; `changed` is called whenever the broker has to be told."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._receivers: dict[str, Callable[[Said], None]] = {}
        self._filters: frozenset[str] = frozenset()
        self._on_said: Callable[[Said], None] | None = None
        self._subscribed: set[str] = set()
        self.refusals: dict[str, str] = {}
        """What the broker does not let us hear, and its reason; of this connection."""

    def listen(self, topic_filter: str, on_said: Callable[[Said], None]) -> None:
        """Call `on_said` with every message that fits; one receiver to a filter."""
        self._receivers[topic_filter] = on_said
        self._changed()

    def unlisten(self, topic_filter: str) -> None:
        """Call nobody any more for this filter."""
        self._receivers.pop(topic_filter, None)
        self._changed()

    def watch(self, filters: Iterable[str], on_said: Callable[[Said], None]) -> None:
        """Call `on_said` with every message that fits one of `filters`, and with no others any more."""
        self._filters, self._on_said = frozenset(filters), on_said
        self._changed()

    def begin(self) -> None:
        """Take note that a new connection subscribes to nothing yet."""
        self._subscribed.clear()
        self.refusals.clear()

    async def subscribe(self, client: BrokerClient) -> None:
        """Tell the broker what has changed."""
        while new := self._wanted() - self._subscribed:
            topic = min(new)
            self._subscribed.add(topic)
            if (refusal := await client.hear(topic, qos=QOS)) is not None:
                self.refusals[topic] = refusal
                _log.warning("the MQTT broker does not let us subscribe to %s: %s", topic, refusal)
        while old := self._subscribed - self._wanted():
            topic = min(old)
            self._subscribed.discard(topic)
            self.refusals.pop(topic, None)
            await client.unsubscribe(topic)

    def deliver(self, message: Message) -> None:
        """Take a message to whom it concerns."""
        payload, topic = message.payload, message.topic
        if not isinstance(payload, bytes):
            return
        said = Said(topic=topic.value, payload=payload, retained=bool(message.retain))
        for topic_filter, on_said in list(self._receivers.items()):
            if topic.matches(topic_filter):
                on_said(said)
        if self._on_said is not None and any(topic.matches(each) for each in self._filters):
            self._on_said(said)

    def _wanted(self) -> set[str]:
        return {*self._receivers, *self._filters}
