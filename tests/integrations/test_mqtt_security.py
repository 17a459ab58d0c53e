"""The link against real brokers that are careful: TLS, certificates, passwords, ACL; WebSockets, MQTT 5."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import time
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from benchmarks.broker import Mosquitto
from foundation.errors import ActionError, OwnerError
from integrations import mqtt, mqtt_broker
from integrations.mqtt import MqttLink
from integrations.mqtt_broker import Broker, Tls
from tests.integrations.certificates import Authority
from tests.integrations.test_mqtt import until
from tests.requirements import cannot_run, required_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from integrations.mqtt_broker import Protocol

AVAILABLE = "heard/hub/available"
OVER_WEBSOCKET = ("protocol websockets", "socket_domain ipv4")
NOT_CLOSED_BY_PAHO = "ignore:.*socket:pytest.PytestUnraisableExceptionWarning"
"""A socket whose handshake fails is left to the garbage collector by paho."""
PASSWORD = "correct horse"


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


def link_to(broker: Mosquitto, **settings: Any) -> MqttLink:
    return MqttLink(Broker(host=broker.host, port=broker.port, **settings), available=AVAILABLE)


async def until_problem(link: MqttLink, text: str) -> None:
    await until(lambda: text in link.problem)


async def works(link: MqttLink) -> bool:
    """Tell whether what is said through the link comes back to it."""
    heard: list[bytes] = []
    link.listen("heard/hub/echo", lambda said: heard.append(said.payload))
    await until(lambda: link.connected)
    await link.deliver("heard/hub/echo", "back", qos=1)
    await until(lambda: bool(heard))
    return heard == [b"back"] and link.problem == ""


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
        assert time.monotonic() - began_s < 5.0
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


def with_password(tmp_path: Path) -> list[str]:
    """Return settings of a broker that lets only `heard` in, and not everywhere."""
    passwords, acl = tmp_path / "passwords", tmp_path / "acl"
    tool = required_program("mosquitto_passwd", debian_package="mosquitto")
    subprocess.run([tool, "-b", "-c", str(passwords), "heard", PASSWORD], check=True, capture_output=True)
    acl.write_text("user heard\ntopic readwrite heard/hub/#\ntopic read home/#\n")
    return ["allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"]


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_wrong_password_is_said(
    brokers: Callable[..., Mosquitto], tmp_path: Path, protocol: Protocol
) -> None:
    """With the right one the link works; the wrong one, or none, is named as the cause."""
    broker = brokers(*with_password(tmp_path))
    async with link_to(broker, protocol=protocol, username="heard", password=PASSWORD) as link:
        assert await works(link)
    for signs_in_as in ({}, {"username": "heard", "password": "wrong"}):
        async with link_to(broker, protocol=protocol, **signs_in_as) as link:
            await until_problem(link, "mqtt.username")


async def test_what_an_acl_denies_is_shown(
    brokers: Callable[..., Mosquitto], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """MQTT 5: status and log name the topic, whoever waits is told, and everything else goes on."""
    broker = brokers(*with_password(tmp_path))
    async with link_to(broker, protocol="5", username="heard", password=PASSWORD) as link:
        link.set_state("home/state", "ON")
        link.publish("home/message", "x")
        link.publish("home/message", "x")
        assert not await works(link)
        assert link.problem == "the broker refuses home/state: Not authorized (and 1 more)"
        with pytest.raises(ActionError, match="does not let us publish to home/alarm: Not authorized"):
            await link.deliver("home/alarm", "x")
        assert link.connections == 1
    lines = [line for line in caplog.messages if "does not let us publish" in line]
    assert len(lines) == 3


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
async def test_a_message_that_a_broker_hangs_up_at_does_not_keep_others_waiting(
    brokers: Callable[..., Mosquitto], caplog: pytest.LogCaptureFixture, protocol: Protocol
) -> None:
    """A message or a state that is too long is given up after a few tries; a shorter one is said."""
    broker = brokers("max_packet_size 2000")
    async with link_to(broker, protocol=protocol) as link:
        link.publish("heard/hub/long", "x" * 5_000)
        with pytest.raises(ActionError, match="heard/hub/long: it hung up 5 times"):
            await link.deliver("heard/hub/long", "x" * 5_000)
        link.set_state("heard/hub/picture", "x" * 5_000)
        await link.deliver("heard/hub/short", "x")
        await until_problem(link, "heard/hub/picture: it hung up 5 times")
        link.set_state("heard/hub/picture", "x")
        link.publish("heard/hub/long", "now short")
        await until(lambda: link.problem == "")
        assert link.waiting_messages == 0
    assert len([line for line in caplog.messages if "it hung up" in line]) == 2
    hung_up = "it closed the connection: Packet too large" if protocol == "5" else "it closed the connection)"
    assert hung_up in caplog.text


def nobody_subscribes(tmp_path: Path) -> list[str]:
    """Return settings of a broker that denies every subscription; its ACL files cannot, its plugin can."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    if plugin is None:
        cannot_run("mosquitto's dynamic security plugin is missing; on Debian: apt-get install mosquitto")
    access = dict.fromkeys(("publishClientSend", "publishClientReceive", "unsubscribe"), True)
    roles = {"defaultACLAccess": {**access, "subscribe": False}, "clients": [], "groups": [], "roles": []}
    (tmp_path / "roles.json").write_text(json.dumps(roles))
    return [f"plugin {plugin}", f"plugin_opt_config_file {tmp_path / 'roles.json'}"]


@pytest.mark.parametrize(("protocol", "reason"), [("3.1.1", "Unspecified error"), ("5", "Not authorized")])
async def test_what_may_not_be_heard_is_shown(
    brokers: Callable[..., Mosquitto], tmp_path: Path, protocol: Protocol, reason: str
) -> None:
    """A denied subscription is named in either version; the rest works, and it is gone with its filter."""
    broker = brokers(*nobody_subscribes(tmp_path))
    async with link_to(broker, protocol=protocol) as link:
        link.watch(["home/alarm"], lambda _: None)
        await until_problem(link, f"the broker refuses home/alarm: {reason}")
        await link.deliver("heard/hub/x", "y")
        link.watch([], lambda _: None)
        await until(lambda: link.problem == "")


async def test_a_day_old_event_is_forgotten(brokers: Callable[..., Mosquitto]) -> None:
    """MQTT 5: a broker is told how long a message is of use; what waited longer here is not sent at all."""
    broker = brokers()
    broker.stop()
    async with link_to(broker, protocol="5") as link:
        link.publish("heard/hub/old", "x", expires_s=0.0)
        link.publish("heard/hub/new", "x", expires_s=600.0, retain=True)
        broker.start()
        await until(lambda: link.connected and link.waiting_messages == 0)
        assert link.dropped_messages == 1
        async with aiomqtt.Client(broker.host, broker.port, protocol=aiomqtt.ProtocolVersion.V5) as other:
            await other.subscribe("heard/hub/+")
            async for message in other.messages:
                if message.topic.value == "heard/hub/new":
                    break
                assert message.topic.value != "heard/hub/old"
    assert 590 < message.properties.MessageExpiryInterval <= 600  # type: ignore[union-attr] # it has some


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
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize("websocket_path", [None, "/mqtt"])
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
            assert time.monotonic() - began_s < 1.0
            await asyncio.sleep(0.2)
        assert time.monotonic() - began_s < mqtt.STOP_PATIENCE_S + 2.0


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
