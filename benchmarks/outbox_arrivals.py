"""What arrives at the broker, and whether it is all, in order, and each under one id."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.outbox_actor import TOPIC
from integrations.mqtt_broker import ID_PROPERTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.broker import Mosquitto

SUBSCRIBED_WITHIN_S = 60.0
KEEPALIVE_S = 3_600


class Broken(Exception):
    """A promise was not kept; the text says which."""


@dataclass(slots=True)
class Arrivals:
    """What a subscriber received."""

    numbers: list[int] = field(default_factory=list)
    """In order of arrival."""
    times_s: list[float] = field(default_factory=list)
    ids: dict[int, set[str]] = field(default_factory=dict)
    subscribed: threading.Event = field(default_factory=threading.Event)
    """Whether the subscriber hears what comes to the broker."""
    say: Callable[[str], object] = field(default=lambda _: None)
    """Publishes to a topic as the subscriber."""

    def take(self, number: int, name: str) -> None:
        """Note one."""
        self.times_s.append(time.monotonic())
        self.numbers.append(number)
        self.ids.setdefault(number, set()).add(name)

    @property
    def highest(self) -> int:
        """The newest number so far."""
        return max(self.ids, default=0)

    @property
    def repeats(self) -> int:
        """How many came more than once."""
        return len(self.numbers) - len(self.ids)

    def check(self) -> None:
        """Raise Broken for a loss, for an overtaking, and for a repeat with another id."""
        missing = sorted(set(range(1, self.highest + 1)) - self.ids.keys())
        if missing:
            raise Broken(f"lost: {missing[:20]}")
        first = list(dict.fromkeys(self.numbers))
        if first != sorted(first):
            raise Broken("overtaken: the numbers did not arrive in order")
        unnamed = [number for number, names in self.ids.items() if len(names) != 1 or "" in names]
        if unnamed:
            raise Broken(f"without one id: {unnamed[:20]}")
        if len({name for names in self.ids.values() for name in names}) != len(self.ids):
            raise Broken("two decisions share an id")


@contextmanager
def listening(broker: Mosquitto) -> Iterator[Arrivals]:
    """Hear what arrives at the broker, over its restarts."""
    arrivals = Arrivals()

    def on_message(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        properties = dict(getattr(message.properties, "UserProperty", []))
        arrivals.take(int(message.payload), properties.get(ID_PROPERTY, ""))

    def on_connect(*_: Any) -> None:
        client.subscribe(TOPIC, qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="proof", protocol=mqtt.MQTTv5)
    client.on_message = on_message
    arrivals.say = lambda topic: client.publish(topic, "go", qos=1)
    client.on_connect = on_connect
    client.on_disconnect = lambda *_: arrivals.subscribed.clear()
    client.on_subscribe = lambda *_: arrivals.subscribed.set()
    client.reconnect_delay_set(1, 1)
    # It must not leave a broker that hangs: a new connection would have missed what came before it.
    client.connect(broker.host, broker.port, keepalive=KEEPALIVE_S)
    client.loop_start()
    try:
        if not arrivals.subscribed.wait(SUBSCRIBED_WITHIN_S):
            raise Broken("the broker did not take a subscription")
        yield arrivals
    finally:
        client.disconnect()
        client.loop_stop()
