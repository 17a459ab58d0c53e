"""The demonstration's broker is a real one, on loopback, and leaves nothing behind."""

from __future__ import annotations

import socket

import aiomqtt
import pytest

from daemon.demo.broker import LOOPBACK, loopback_broker


async def test_an_ordinary_client_hears_what_another_publishes() -> None:
    """It carries messages between clients like any broker."""
    async with (
        loopback_broker() as port,
        aiomqtt.Client(LOOPBACK, port) as listener,
        aiomqtt.Client(LOOPBACK, port) as speaker,
    ):
        await listener.subscribe("home/#")
        await speaker.publish("home/door", "hello", qos=1)
        message = await anext(aiter(listener.messages))
        assert message.payload == b"hello"
    with pytest.raises(ConnectionRefusedError), socket.create_connection((LOOPBACK, port), timeout=1):
        pass
