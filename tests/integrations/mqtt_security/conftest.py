"""A certificate authority, and brokers with settings of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.broker import Mosquitto
from integrations import mqtt
from tests.integrations.certificates import Authority
from tests.integrations.mqtt_security.brokers import (
    OVER_WEBSOCKET,
)
from tests.requirements import required_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt, "BACKOFF_MAX_S", 0.1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "home")


@pytest.fixture(scope="module")
def server(authority: Authority) -> list[str]:
    """Settings of a broker with a certificate for 127.0.0.1."""
    certificate, key = authority.issue("broker", subject="IP:127.0.0.1")
    return [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}"]


@pytest.fixture
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Start brokers with settings of the test's own."""
    executable = required_program("mosquitto", debian_package="mosquitto")
    started: list[Mosquitto] = []

    def start(*settings: str) -> Mosquitto:
        folder = tmp_path_factory.mktemp("mosquitto")
        # This version of mosquitto takes a WebSocket alone for no listener at all.
        more = [f"listener 0 {folder / 'door'}"] if OVER_WEBSOCKET[0] in settings else []
        broker = Mosquitto(executable, folder, [*settings, *more])
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()
