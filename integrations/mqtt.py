"""The connection to the MQTT broker: what callers say is kept until the broker has it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

from aiomqtt import Client, MqttError, Will

from foundation.backoff import Backoff
from foundation.errors import ActionError, OwnerError
from foundation.owned_task import OwnedTask
from integrations.mqtt_listening import Listening
from integrations.topics import check_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from integrations.mqtt_listening import Said

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 2.0
"""A broker that comes back after a day is found again so soon: an alarm may be waiting for it."""

STEADY_AFTER_S = 30.0
"""A connection that lasted this long was a good one."""

ANSWER_TIMEOUT_S = 10.0
"""A broker that has not acknowledged a message for so long is taken for gone."""

GOODBYE_TIMEOUT_S = 1.0
"""What the last message on an otherwise broken connection may cost."""

STOP_PATIENCE_S = 6.0
"""Stopping waits this long for the last messages: longer than the 5 s that paho gives to connecting."""

MAX_WAITING = 10_000
"""Messages kept while the broker is away. At 300 bytes each that is 3 MB."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and how to sign in."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Message:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    id: str = ""
    """What tells the other side that a message is the same one again; empty: it has none."""
    acknowledged: asyncio.Future[None] | None = None
    """Who waits for the broker to have it. Such a message is never dropped for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    payload: str
    at_rest: str | None


class MqttLink:
    """Keeps one connection alive for as long as the `async with` lasts. No method waits for the broker.

    `available` is the topic of the last will. Messages are delivered in order and at least once; when more
    than MAX_WAITING wait, the oldest are dropped and counted. States are retained: only the newest value of
    each matters, and all of them are said again on every new connection.
    """

    def __init__(self, broker: Broker, *, available: str) -> None:
        check_topic(available)
        try:
            broker.host.encode("idna")
        except UnicodeError as error:
            raise OwnerError(f"mqtt host {broker.host!r} is not a host name: {error}") from error
        self._broker = broker
        self._available = available
        self._messages: deque[_Message] = deque()
        self._states: dict[str, _State] = {}
        self._unsaid: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._listening = Listening(self._wake.set)
        self._stopping = asyncio.Event()
        self._task = OwnedTask()
        self._connected = False
        self._known_down = False
        self._dropped = 0

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""
        return self._connected

    @property
    def waiting_messages(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return len(self._messages)

    @property
    def dropped_messages(self) -> int:
        """Messages lost because too many were waiting."""
        return self._dropped

    def publish(
        self, topic: str, payload: str, *, qos: int = 1, retain: bool = False, fleeting: bool = False
    ) -> None:
        """Send a message as soon as the broker can take it; a fleeting one only if that is now.

        Raises ActionError for a topic, a payload or a quality of service that MQTT does not know.
        """
        message = _message(topic, payload, qos, retain=retain)
        if not fleeting or self._connected:
            self._put(message)

    async def deliver(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 1,
        retain: bool = False,
        id: str = "",  # noqa: A002 - what it is
    ) -> None:
        """Send a message, and return when the broker has it; cancelled before, it is not sent any more.

        Raises ActionError as `publish` does.
        """
        acknowledged = asyncio.get_running_loop().create_future()
        message = replace(_message(topic, payload, qos, retain=retain), id=id, acknowledged=acknowledged)
        self._put(message)
        try:
            await acknowledged
        finally:
            with suppress(ValueError):
                self._messages.remove(message)

    def set_state(self, topic: str, payload: str, *, at_rest: str | None = None) -> None:
        """Make `payload` the retained value of `topic`; `at_rest` is what a clean stop leaves there."""
        check_topic(topic)
        state = _State(payload=payload, at_rest=at_rest)
        if self._states.get(topic) != state:
            self._states[topic] = state
            self._unsaid[topic] = None
            self._wake.set()

    def resay_states(self, topics: Iterable[str] | None = None) -> None:
        """Say every retained state once more, or only these: somebody may have missed them."""
        self._unsaid |= dict.fromkeys(self._states if topics is None else topics)
        self._wake.set()

    def listen(self, topic_filter: str, on_said: Callable[[Said], None]) -> None:
        """Call `on_said` with every message, retained or not, that fits; one receiver to a filter.

        It must not wait. For commands wrap it in `mqtt_listening.only_new`.
        """
        self._listening.listen(topic_filter, on_said)

    def unlisten(self, topic_filter: str) -> None:
        """Call nobody any more for this filter."""
        self._listening.unlisten(topic_filter)

    def watch(self, filters: Iterable[str], on_said: Callable[[Said], None]) -> None:
        """Call `on_said` with every message, retained or not, that fits one of `filters`.

        It must not wait. Called again, this takes the place of what was watched before.
        """
        self._listening.watch(filters, on_said)

    async def __aenter__(self) -> Self:
        await self._task.start(self._run(), name="mqtt")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for topic, state in list(self._states.items()):
            if state.at_rest is not None:
                self.set_state(topic, state.at_rest, at_rest=state.at_rest)
        self._stopping.set()
        self._wake.set()
        try:
            await self._task.stop(error, patience_s=STOP_PATIENCE_S)
        finally:
            if self._messages:
                _log.warning("stopped with %d MQTT messages that were never delivered", len(self._messages))

    def _put(self, message: _Message) -> None:
        if len(self._messages) >= MAX_WAITING:
            oldest = next((each for each in self._messages if each.acknowledged is None), None)
            if oldest is not None:
                self._messages.remove(oldest)
                self._dropped += 1
        self._messages.append(message)
        self._wake.set()

    async def _run(self) -> None:
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MAX_S, steady_after_s=STEADY_AFTER_S)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._converse()
            except* MqttError as errors:
                self._went_down(errors)
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.after(time.monotonic() - began)):
                    await self._stopping.wait()

    async def _converse(self) -> None:
        async with self._client() as client:
            try:
                async with asyncio.TaskGroup() as group:
                    # Only the reader notices that an idle connection has died.
                    reader = group.create_task(self._read(client), name="mqtt reader")
                    await self._say_everything(client)
                    reader.cancel()
            finally:
                self._connected = False
                # A clean disconnect takes the last will with it, so whoever leaves says so; if the
                # connection is already gone the will does.
                farewell = "stopped" if self._stopping.is_set() else "offline"
                with suppress(MqttError):
                    await client.publish(
                        self._available, farewell, qos=1, retain=True, timeout=GOODBYE_TIMEOUT_S
                    )

    def _client(self) -> Client:
        # The same name every time: a broker that still holds our last, half-dead connection ends it and sends
        # its will before it lets us in, not a minute after we have said that we are online.
        name = blake2b(self._available.encode(), digest_size=8).hexdigest()
        return Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            identifier=f"heard-{name}",
            will=Will(self._available, "offline", qos=1, retain=True),
            keepalive=self._broker.keepalive_s,
            timeout=ANSWER_TIMEOUT_S,
        )

    async def _read(self, client: Client) -> None:
        async for message in client.messages:
            self._listening.deliver(message)

    async def _say_everything(self, client: Client) -> None:
        """Return once stopping and all has been said; else say what comes."""
        self._unsaid = dict.fromkeys(self._states)
        self._listening.begin()
        await self._listening.subscribe(client)
        await self._say_states(client)
        await client.publish(self._available, "online", qos=1, retain=True)
        self._came_up()
        while True:
            self._wake.clear()
            await self._listening.subscribe(client)
            await self._say_states(client)
            await self._say_messages(client)
            if self._stopping.is_set() and not self._wake.is_set():
                return
            await self._wake.wait()

    async def _say_states(self, client: Client) -> None:
        while self._unsaid:
            topic = next(iter(self._unsaid))
            del self._unsaid[topic]
            state = self._states.get(topic)
            if state is None:
                continue
            await client.publish(topic, state.payload, qos=1, retain=True)
            if not state.payload and self._states.get(topic) is state:
                # An empty one takes what was retained away; there is nothing to say again.
                del self._states[topic]

    async def _say_messages(self, client: Client) -> None:
        while self._messages and not self._unsaid:
            message = self._messages[0]
            await client.publish(message.topic, message.payload, qos=message.qos, retain=message.retain)
            # While we waited for the broker, this one may have become the oldest of too many.
            if self._messages and self._messages[0] is message:
                self._messages.popleft()
            if message.acknowledged is not None and not message.acknowledged.done():
                message.acknowledged.set_result(None)

    def _came_up(self) -> None:
        self._connected = True
        self._known_down = False
        _log.info("connected to the MQTT broker at %s:%d", self._broker.host, self._broker.port)

    def _went_down(self, error: BaseException) -> None:
        self._connected = False
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not self._known_down:
            self._known_down = True
            _log.warning(
                "no connection to the MQTT broker at %s:%d (%s); trying again",
                self._broker.host,
                self._broker.port,
                error,
            )


def _message(topic: str, payload: str, qos: int, *, retain: bool) -> _Message:
    check_topic(topic)
    if qos not in {0, 1, 2}:
        raise ActionError(f"the quality of service of an MQTT message is 0, 1 or 2, not {qos!r}")
    try:
        content = payload.encode()
    except UnicodeEncodeError as error:
        raise ActionError(f"the MQTT payload for {topic!r} is not valid Unicode: {error}") from error
    return _Message(topic=topic, payload=content, qos=qos, retain=retain)
