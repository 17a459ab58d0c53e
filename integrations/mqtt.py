"""The connection to the MQTT broker: what callers say is kept until the broker has it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from aiomqtt import MqttError

from foundation.backoff import Backoff
from foundation.errors import OwnerError
from foundation.owned_task import OwnedTask
from integrations.mqtt_broker import BrokerClient
from integrations.mqtt_faults import in_plain_words
from integrations.mqtt_listening import Listening
from integrations.mqtt_outgoing import Outgoing, message
from integrations.topics import check_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from integrations.mqtt_broker import Broker
    from integrations.mqtt_listening import Said

BACKOFF_FIRST_S = 1.0
BACKOFF_MAX_S = 2.0
"""A broker that comes back after a day is found again so soon: an alarm may be waiting for it."""

STEADY_AFTER_S = 30.0
"""A connection that lasted this long was a good one."""

GOODBYE_TIMEOUT_S = 1.0
"""What the last message on an otherwise broken connection may cost."""

STOP_PATIENCE_S = 6.0
"""Stopping waits this long for the last messages: longer than a connection may take."""

_log = logging.getLogger(__name__)


class MqttLink:
    """Keeps one connection alive for as long as the `async with` lasts. Only `deliver` waits for the broker.

    `available` is the topic of the last will. Messages are delivered in order and at least once; when more
    than MAX_WAITING wait, the oldest are dropped and counted. States are retained: only the newest value of
    each matters, and all of them are said again on every new connection.
    """

    def __init__(self, broker: Broker, *, available: str) -> None:
        """Raises OwnerError where no connection is thinkable."""
        check_topic(available)
        broker.check()
        self._broker = broker
        self._available = available
        self._wake = asyncio.Event()
        self._outgoing = Outgoing(self._wake.set)
        self._listening = Listening(self._wake.set)
        self._stopping = asyncio.Event()
        self._task = OwnedTask()
        self._connected = False
        self._fault = ""
        self._faults_told: set[str] = set()
        self.connections = 0
        """How often the broker has let us in."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""
        return self._connected

    @property
    def waiting_messages(self) -> int:
        """Messages that the broker has not acknowledged yet."""
        return self._outgoing.waiting

    @property
    def dropped_messages(self) -> int:
        """Messages lost because too many were waiting, or because they came to be too old."""
        return self._outgoing.dropped

    @property
    def problem(self) -> str:
        """What is wrong with the connection, for its owner to read; empty where nothing is."""
        problems = [] if self._connected else [self._fault]
        refused = {**self._listening.refusals, **self._outgoing.refusals}
        for topic, reason in list(refused.items())[:1]:
            more = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
            problems.append(f"the broker refuses {topic}: {reason}{more}")
        if self._connected and self._broker.tls is not None and self._broker.tls.insecure:
            problems.append("the broker's certificate is not checked (mqtt.tls.insecure)")
        if self.waiting_messages:
            problems.append(f"{self.waiting_messages} messages wait")
        return "; ".join(problem for problem in problems if problem)

    def publish(
        self,
        topic: str,
        payload: str,
        *,
        qos: int = 1,
        retain: bool = False,
        fleeting: bool = False,
        expires_s: float | None = None,
    ) -> None:
        """Send a message as soon as the broker can take it; a fleeting one only if that is now.

        After `expires_s` it is not sent any more; a broker that speaks MQTT 5 forgets it then, too. Raises
        ActionError for a topic, a payload or a quality of service that MQTT does not know.
        """
        new = message(topic, payload, qos=qos, retain=retain, expires_s=expires_s)
        if not fleeting or self._connected:
            self._outgoing.put(new)

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

        Raises ActionError as `publish` does, and where the broker refuses the message; where it does so for
        now, BrokerUnavailable.
        """
        await self._outgoing.deliver(message(topic, payload, qos=qos, retain=retain, id=id))

    def set_state(self, topic: str, payload: str, *, at_rest: str | None = None) -> None:
        """Make `payload` the retained value of `topic`; `at_rest` is what a clean stop leaves there."""
        self._outgoing.set_state(topic, payload, at_rest=at_rest)

    def resay_states(self, topics: Iterable[str] | None = None) -> None:
        """Say every retained state once more, or only these: somebody may have missed them."""
        self._outgoing.say_again(topics)

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
        self._outgoing.rest()
        self._stopping.set()
        self._wake.set()
        try:
            await self._task.stop(error, patience_s=STOP_PATIENCE_S)
        finally:
            if self.waiting_messages:
                _log.warning("stopped with %d MQTT messages that were never delivered", self.waiting_messages)

    async def _run(self) -> None:
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MAX_S, steady_after_s=STEADY_AFTER_S)
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._converse()
            except* MqttError as errors:
                self._went_down(_first(errors))
            except* OwnerError as errors:
                # Certificates are read anew each time: whoever renews them may have got it wrong.
                self._went_down(_first(errors))
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff.after(time.monotonic() - began)):
                    await self._stopping.wait()

    async def _converse(self) -> None:
        tls = self._broker.tls
        context = None if tls is None else await asyncio.to_thread(tls.context)
        async with BrokerClient(self._broker, available=self._available, context=context) as client:
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

    async def _read(self, client: BrokerClient) -> None:
        async for each in client.messages:
            self._listening.deliver(each)

    async def _say_everything(self, client: BrokerClient) -> None:
        """Return once stopping and all has been said; else say what comes."""
        self._outgoing.begin()
        self._listening.begin()
        await self._listening.subscribe(client)
        await self._outgoing.say_states(client)
        await client.say(self._available, "online", qos=1, retain=True)
        self._came_up()
        while True:
            self._wake.clear()
            await self._listening.subscribe(client)
            await self._outgoing.say_states(client)
            await self._outgoing.say_messages(client)
            if self._stopping.is_set() and not self._wake.is_set():
                return
            await self._wake.wait()

    def _came_up(self) -> None:
        self._connected = True
        self.connections += 1
        self._fault = ""
        self._faults_told.clear()
        _log.info("connected to the MQTT broker at %s", self._broker)
        if self._broker.tls is not None and self._broker.tls.insecure:
            _log.warning("anybody may be the MQTT broker: its certificate is not checked (mqtt.tls.insecure)")

    def _went_down(self, error: MqttError | OwnerError) -> None:
        self._connected = False
        self._fault = in_plain_words(error, self._broker) if isinstance(error, MqttError) else str(error)
        if self._fault not in self._faults_told:
            self._faults_told.add(self._fault)
            told = "no connection to the MQTT broker at %s (%s); trying again"
            _log.warning(told, self._broker, self._fault)


def _first(error: BaseException) -> MqttError | OwnerError:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, MqttError | OwnerError)
    return error
