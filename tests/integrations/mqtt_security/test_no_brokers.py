"""Servers that never answer, stop answering, or are no brokers at all."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks.broker import Mosquitto
from integrations import mqtt, mqtt_broker
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker, Tls
from tests.integrations.mqtt_security.brokers import (
    AVAILABLE,
    NOT_CLOSED_BY_PAHO,
    link_to,
)
from tests.integrations.test_mqtt import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from integrations.mqtt_broker import Protocol


NO_BROKERS = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:x\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: \xff\r\n\r\n",
    b"\x20\x01\x00\x00\x00",
    b"\x20\x02\x00\x2a",
    b"\xff" * 300,
    b"220 mail.example ESMTP\r\n",
    b"",
]


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
@pytest.mark.parametrize(("protocol", "websocket_path"), [("3.1.1", None), ("5", None), ("5", "/mqtt")])
@pytest.mark.parametrize("answer", NO_BROKERS)
async def test_a_server_that_is_no_broker_does_not_end_the_daemon(
    protocol: Protocol, websocket_path: str | None, answer: bytes
) -> None:
    """Whatever it answers, the link says that it has no connection, and tries again."""
    tries: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tries.append(1)
        await reader.read(10)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        broker = Broker(host=host, port=port, protocol=protocol, websocket_path=websocket_path)
        async with MqttLink(broker, available=AVAILABLE) as link:
            await until(lambda: len(tries) >= 2)
            assert not link.connected
            assert link.problem


@asynccontextmanager
async def a_silent_server() -> AsyncIterator[Mosquitto]:
    """Accept connections and never answer."""
    with closing(socket.create_server(("127.0.0.1", 0))) as door:
        broker = Mosquitto.__new__(Mosquitto)
        broker.host, broker.port = door.getsockname()
        yield broker


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
@pytest.mark.parametrize(
    "settings", [{}, {"tls": Tls()}, {"websocket_path": "/mqtt"}, {"tls": Tls(), "websocket_path": "/mqtt"}]
)
async def test_a_broker_that_never_answers_holds_up_nothing(
    settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting and speaking take no time, stopping little more than its patience."""
    monkeypatch.setattr(mqtt, "STOP_PATIENCE_S", 0.6)
    monkeypatch.setattr(mqtt_broker, "CONNECT_TIMEOUT_S", 0.5)
    async with a_silent_server() as broker:
        began_s = time.monotonic()
        async with link_to(broker, **settings) as link:
            link.publish("a", "b")
            link.set_state("c", "d")
            assert time.monotonic() - began_s < 3.0
            await asyncio.sleep(0.2)
        assert time.monotonic() - began_s < mqtt.STOP_PATIENCE_S + 4.0


async def test_a_broker_that_stops_answering_is_left(
    brokers: Callable[..., Mosquitto], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited is delivered when it answers again; the link never takes silence for success."""
    broker = brokers()
    monkeypatch.setattr(mqtt_broker, "ANSWER_TIMEOUT_S", 0.5)
    async with link_to(broker) as link:
        await until(lambda: link.connected)
        broker.pause()
        delivery = asyncio.create_task(link.deliver("heard/hub/x", "y"))
        await until(lambda: not link.connected)
        assert not delivery.done()
        broker.resume()
        async with asyncio.timeout(15.0):
            await delivery
