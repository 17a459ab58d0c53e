"""How long it takes from a sound to its message at a subscriber, through the outbox and past it.

    python -m benchmarks.outbox_delay HOST PORT

Started as a program it is the subscriber: it prints the name of every message and when it came, by the clock
that all processes of a machine share.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from benchmarks.outbox_actor import begin_at, reach_of
from daemon.acting.actions import ActionDispatcher, mqtt_publish_errand
from daemon.deciding.journal import RulesJournal
from daemon.deciding.reactions import Reactions
from daemon.history import History
from daemon.outbox.outbox import Outbox
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker
from rules.engine import Engine
from rules.loader import load_rules
from rules.model import MQTT_PUBLISH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.broker import Mosquitto
    from rules.model import ActionRequest

TOPIC = "delay/sound"
RULES = f"""\
- id: tells
  triggers: [{{trigger: sound, profile: start}}]
  actions:
    - {{action: mqtt.publish, data: {{topic: {TOPIC}, payload: "{{{{ trigger.event_id }}}}"}}}}
"""
READY = "ready"
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """Seconds from each sound to its message."""

    through_s: list[float]
    past_s: list[float]


async def measure(folder: Path, broker: Mosquitto, *, sounds: int, every_s: float) -> Delays:
    """Let sounds come one after another, by turns through the outbox and straight to the connection."""
    heard_s: dict[str, float] = {}
    with _subscriber(broker) as subscriber:
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            history = await enter(History(folder / "history.sqlite"))
            journal = await enter(RulesJournal(folder / "journal.sqlite"))
            settings = Broker(host=broker.host, port=broker.port)
            link = await enter(MqttLink(settings, available="delay/available"))
            outbox = await enter(Outbox(folder / "outbox.sqlite"))
            through = ActionDispatcher({MQTT_PUBLISH: mqtt_publish_errand(link)}, outbox=outbox)
            past = ActionDispatcher({MQTT_PUBLISH: lambda request: _publish(link, request)})
            rules = folder / "rules.yaml"
            rules.write_text(RULES, encoding="utf-8")
            engine = Engine(load_rules(rules), lambda _: "", UTC)
            ways = [
                Reactions(
                    engine,
                    engine.initial_state(),
                    reach_of(folder, history, journal, dispatcher),
                    rules="",
                    began_at=0.0,
                )
                for dispatcher in (through, past)
            ]
            await asyncio.sleep(SETTLE_S)
            for number in range(2 * sounds):
                event = replace(begin_at(time.time()), id=f"{number:016x}")
                heard_s[event.id] = time.monotonic()
                ways[number % 2].on_event(event)
                await asyncio.sleep(every_s)
            await asyncio.sleep(SETTLE_S)
        came_s = subscriber.arrivals()
    took_s = [came_s[name] - at_s for name, at_s in heard_s.items()]
    return Delays(through_s=took_s[::2], past_s=took_s[1::2])


def _publish(link: MqttLink, request: ActionRequest) -> None:
    link.publish(request.data["topic"], request.data["payload"], qos=request.data["qos"])


class _Subscriber:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def arrivals(self) -> dict[str, float]:
        """End the subscriber; return when each message came."""
        self._process.terminate()
        assert self._process.stdout is not None
        pairs = [line.split() for line in self._process.stdout]
        return {name: float(at_s) for name, at_s in pairs}


@contextmanager
def _subscriber(broker: Mosquitto) -> Iterator[_Subscriber]:
    command = [sys.executable, "-m", "benchmarks.outbox_delay", broker.host, str(broker.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline().strip() != READY:
            raise SystemExit("the subscriber did not begin")
        try:
            yield _Subscriber(process)
        finally:
            process.terminate()


def main(argv: Sequence[str] | None = None) -> None:
    """Be the subscriber, until told to end."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox_delay")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    options = parser.parse_args(argv)

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def on_message(_client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        say(f"{message.payload.decode()} {time.monotonic():.6f}")

    def on_connect(*_: Any) -> None:
        client.subscribe(TOPIC, qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = on_message
    client.on_subscribe = lambda *_: say(READY)
    client.on_connect = on_connect
    client.connect(options.host, options.port)
    client.loop_forever()


if __name__ == "__main__":
    main()
