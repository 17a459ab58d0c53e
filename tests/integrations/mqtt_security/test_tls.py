"""The link over TLS and WebSockets, to mosquitto: who is trusted, and who is not."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.broker import Mosquitto
from foundation.errors import OwnerError
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker, Tls
from tests.integrations.certificates import Authority
from tests.integrations.mqtt_security.brokers import (
    AVAILABLE,
    NOT_CLOSED_BY_PAHO,
    OVER_WEBSOCKET,
    link_to,
    until_problem,
    works,
)
from tests.integrations.test_mqtt import until
from tests.requirements import required_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from integrations.mqtt_broker import Protocol


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("websocket_path", [None, "/mqtt"])
async def test_tls_with_an_own_authority(
    brokers: Callable[..., Mosquitto],
    authority: Authority,
    server: list[str],
    protocol: Protocol,
    websocket_path: str | None,
) -> None:
    """Both versions of MQTT, over TCP and over a WebSocket, through a restart of the broker."""
    broker = brokers(*server, *(OVER_WEBSOCKET if websocket_path else ()))
    tls = Tls(ca_file=authority.certificate)
    async with link_to(broker, protocol=protocol, tls=tls, websocket_path=websocket_path) as link:
        assert await works(link)
        broker.stop()
        await until(lambda: not link.connected)
        broker.start()
        assert await works(link)
        assert link.connections == 2


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
async def test_a_websocket_without_tls(brokers: Callable[..., Mosquitto]) -> None:
    """The transport alone; a port where no WebSocket is says what to look at."""
    async with link_to(brokers(*OVER_WEBSOCKET), websocket_path="/mqtt") as link:
        assert await works(link)
    async with link_to(brokers(), websocket_path="/mqtt") as link:
        await until_problem(link, "mqtt.websocket_path")


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
async def test_a_broker_of_another_authority_is_not_spoken_to(
    brokers: Callable[..., Mosquitto],
    authority: Authority,
    server: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log says once which option to look at; the right file in its place needs no restart."""
    trusted = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path, "stranger").certificate, trusted)
    async with link_to(brokers(*server), tls=Tls(ca_file=trusted)) as link:
        await until_problem(link, "mqtt.tls.ca_file should name the CA that signed it")
        await asyncio.sleep(0.3)
        assert "is not trusted: " in link.problem
        assert not link.connected
        [line] = [line for line in caplog.messages if "is not trusted" in line]
        assert "no connection to the MQTT broker at 127.0.0.1" in line
        shutil.copy(authority.certificate, trusted)
        assert await works(link)


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
async def test_without_a_ca_file_the_machine_decides(
    brokers: Callable[..., Mosquitto], server: list[str]
) -> None:
    """An authority of one's own is none that a machine knows."""
    async with link_to(brokers(*server), tls=Tls()) as link:
        await until_problem(link, "mqtt.tls.ca_file should name")


@pytest.mark.filterwarnings(NOT_CLOSED_BY_PAHO)
async def test_a_certificate_for_another_name_is_refused(
    brokers: Callable[..., Mosquitto], authority: Authority
) -> None:
    """Who it is for is said."""
    certificate, key = authority.issue("elsewhere", subject="DNS:elsewhere.example")
    broker = brokers(f"certfile {certificate}", f"keyfile {key}")
    async with link_to(broker, tls=Tls(ca_file=authority.certificate)) as link:
        await until_problem(link, "its certificate is for another name")


async def test_insecure_is_never_silent(
    brokers: Callable[..., Mosquitto], server: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """It works, and both the log and the status say at what price."""
    async with link_to(brokers(*server), tls=Tls(insecure=True)) as link:
        await until(lambda: link.connected)
        assert link.problem == "the broker's certificate is not checked (mqtt.tls.insecure)"
    assert "anybody may be the MQTT broker" in caplog.text


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_broker_may_want_a_client_certificate(
    brokers: Callable[..., Mosquitto],
    authority: Authority,
    server: list[str],
    tmp_path: Path,
    protocol: Protocol,
) -> None:
    """With it the link works; without, or with a stranger's, it says so soon and goes on trying."""
    broker = brokers(*server, "require_certificate true")
    certificate, key = authority.issue("heard")
    tls = Tls(ca_file=authority.certificate, certificate_file=certificate, key_file=key)
    async with link_to(broker, protocol=protocol, tls=tls) as link:
        assert await works(link)
    both = tmp_path / "both.pem"
    both.write_text(certificate.read_text() + key.read_text())
    tls = Tls(ca_file=authority.certificate, certificate_file=both)
    async with link_to(broker, protocol=protocol, tls=tls) as link:
        assert await works(link)
    began_s = time.monotonic()
    async with link_to(broker, protocol=protocol, tls=Tls(ca_file=authority.certificate)) as link:
        await until_problem(link, "client certificate")
        assert time.monotonic() - began_s < 8.0
    certificate, key = Authority(tmp_path, "stranger").issue("heard")
    tls = Tls(ca_file=authority.certificate, certificate_file=certificate, key_file=key)
    async with link_to(broker, protocol=protocol, tls=tls) as link:
        await until_problem(link, "client certificate")


def test_files_that_are_no_certificates_are_refused_at_once(authority: Authority, tmp_path: Path) -> None:
    """The text names the file, and nobody is asked for the password of an encrypted key."""
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("nothing")
    certificate, key = authority.issue("mine")
    locked = tmp_path / "locked.key"
    openssl = required_program("openssl", debian_package="openssl")
    subprocess.run(
        [openssl, "ec", "-aes128", "-passout", "pass:secret", "-in", str(key), "-out", str(locked)],
        check=True,
        capture_output=True,
    )
    for tls, said in [
        (Tls(ca_file=rubbish), "rubbish.pem: expected the certificate of a CA, in PEM"),
        (Tls(certificate_file=certificate), "its key"),
        (Tls(certificate_file=certificate, key_file=locked), "locked.key its key, not encrypted"),
        (Tls(ca_file=tmp_path / "gone.pem"), "No such file"),
    ]:
        with pytest.raises(OwnerError, match=said):
            MqttLink(Broker(host="hub", tls=tls), available=AVAILABLE)
