"""What is listened to on the broker, and to whom each message goes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from aiomqtt import Client, Message

from integrations.topics import check_topic

QOS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message that somebody published."""

    topic: str
    payload: bytes
    retained: bool
    """The broker had kept it from before we listened."""


class Listening:
    """Holds who wants to hear what; `changed` is called whenever the broker has to be told."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._one_topic: dict[str, Callable[[bytes], None]] = {}
        self._filters: frozenset[str] = frozenset()
        self._on_said: Callable[[Said], None] | None = None
        self._subscribed: set[str] = set()

    def listen(self, topic: str, on_message: Callable[[bytes], None]) -> None:
        """Call `on_message` with what is published to `topic` from now on, but not with retained messages."""
        check_topic(topic)
        self._one_topic[topic] = on_message
        self._changed()

    def watch(self, filters: Iterable[str], on_said: Callable[[Said], None]) -> None:
        """Call `on_said` with every message that fits one of `filters`, and with no others any more."""
        self._filters, self._on_said = frozenset(filters), on_said
        self._changed()

    def begin(self) -> None:
        """Take note that a new connection subscribes to nothing yet."""
        self._subscribed.clear()

    async def subscribe(self, client: Client) -> None:
        """Tell the broker what has changed."""
        wanted = {*self._one_topic, *self._filters}
        while new := wanted - self._subscribed:
            topic = min(new)
            self._subscribed.add(topic)
            await client.subscribe(topic, qos=QOS)
        while old := self._subscribed - wanted:
            topic = min(old)
            self._subscribed.discard(topic)
            await client.unsubscribe(topic)

    def deliver(self, message: Message) -> None:
        """Take a message to whom it concerns."""
        payload, topic = message.payload, message.topic.value
        if not isinstance(payload, bytes):
            return
        on_message = self._one_topic.get(topic)
        if on_message is not None and not message.retain:
            on_message(payload)
        if self._on_said is not None and any(message.topic.matches(each) for each in self._filters):
            self._on_said(Said(topic=topic, payload=payload, retained=bool(message.retain)))
