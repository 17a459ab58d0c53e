"""Where the broker is, how to sign in, and the client that speaks to it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from aiomqtt import Client, MqttError, ProtocolVersion, Will
from paho.mqtt.client import MQTT_LOG_ERR
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from foundation.errors import OwnerError
from foundation.pem_files import show, trust

if TYPE_CHECKING:
    from pathlib import Path

    from paho.mqtt.client import Client as PahoClient
    from paho.mqtt.client import DisconnectFlags
    from paho.mqtt.reasoncodes import ReasonCode

Protocol = Literal["3.1.1", "5"]

ID_PROPERTY = "heard-id"
"""The user property that names what a rule decided: the same however often it is sent."""

ANSWER_TIMEOUT_S = 10.0
"""A broker that has not acknowledged a message for so long is taken for gone."""

CONNECT_TIMEOUT_S = 5.0
"""For each step of connecting, which a thread waits for: a stop may have to wait as long."""


FOR_NOW = frozenset({0x80, 0x83, 0x91, 0x97})
"""Codes of MQTT 5 for what may work later: no reason, one of the broker's own, an id in use, a quota."""


class Refusal(NamedTuple):
    """What a broker says of a message that it did not take."""

    reason: str
    for_now: bool = False
    """Whether it may take the same message later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the connection is encrypted, and who is trusted. Without `ca_file`: whom this machine trusts."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    """Default: the key is in `certificate_file`."""
    insecure: bool = False
    """Speak to whoever answers, and send them the password."""

    def context(self) -> ssl.SSLContext:
        """Read the files. Raises OwnerError, which names the one that is wrong."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file is None:
            context.load_default_certs()
        else:
            trust(context, self.ca_file)
        if self.certificate_file is not None:
            show(context, self.certificate_file, self.key_file)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where the broker is, and how to sign in."""

    host: str
    port: int = 1_883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    keepalive_s: int = 30
    protocol: Protocol = "3.1.1"
    tls: Tls | None = None
    websocket_path: str | None = None
    """None: no WebSocket, but TCP."""

    def check(self) -> None:
        """Raise OwnerError where no connection is thinkable."""
        try:
            self.host.encode("idna")
        except UnicodeError as error:
            raise OwnerError(f"mqtt host {self.host!r} is not a host name: {error}") from error
        if self.tls is not None:
            self.tls.context()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def client_id(available: str) -> str:
    """Return the name that a daemon has at the broker, made of the topic of its last will.

    The same every time: a broker that still holds our last, half-dead connection ends it and sends its will
    before it lets us in, not a minute after we have said that we are online.
    """
    return f"heard-{blake2b(available.encode(), digest_size=8).hexdigest()}"


class BrokerClient(Client):
    """One connection. Also tells that the broker refused a message, which only MQTT 5 lets it say."""

    def __init__(self, broker: Broker, *, available: str, context: ssl.SSLContext | None) -> None:
        super().__init__(
            broker.host,
            broker.port,
            username=broker.username,
            password=broker.password,
            identifier=client_id(available),
            protocol=ProtocolVersion.V5 if broker.protocol == "5" else ProtocolVersion.V311,
            will=Will(available, "offline", qos=1, retain=True),
            keepalive=broker.keepalive_s,
            timeout=ANSWER_TIMEOUT_S,
            tls_context=context,
            transport="tcp" if broker.websocket_path is None else "websockets",
            websocket_path=broker.websocket_path,
        )
        self._has_properties = broker.protocol == "5"
        self._refusal: Refusal | None = None
        self._last_error = "it closed the connection without a word"
        self._client.connect_timeout = CONNECT_TIMEOUT_S
        # Said at every try, these lines would fill the log; the last of them is why a connection broke off.
        self._client.disable_logger()
        self._client.on_log = self._on_log

    async def __aenter__(self) -> Self:
        """Connect. Raises MqttError, with nothing left open."""
        let_in = False
        try:
            await super().__aenter__()
            let_in = True
        except (ValueError, LookupError) as error:
            # Answers of a server that is no broker; paho does not foresee all of them.
            raise MqttError(f"it does not speak MQTT here: {error}") from error
        finally:
            if not let_in:
                # A broker that answers after all would find two of us.
                self._client.disconnect()
        return self

    @property
    def hung_up(self) -> bool:
        """Whether the connection is gone."""
        return self._disconnected.done()

    async def say(
        self,
        topic: str,
        payload: bytes | str,
        *,
        qos: int,
        retain: bool,
        expires_s: float | None = None,
        id: str = "",  # noqa: A002 - what it is
    ) -> Refusal | None:
        """Publish, one message at a time; return why the broker refused it, or None. Raises MqttError.

        Only MQTT 5 carries when a message expires, and the `id` by which a repeat of it is known.
        """
        properties = None
        if self._has_properties and (id or expires_s is not None):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho has no types there
            if expires_s is not None:
                properties.MessageExpiryInterval = max(1, round(expires_s))
            if id:
                properties.UserProperty = (ID_PROPERTY, id)
        self._refusal = None
        await self.publish(topic, payload, qos=qos, retain=retain, properties=properties)
        return self._refusal

    async def hear(self, topic_filter: str, *, qos: int) -> str | None:
        """Subscribe; return why the broker refused, or None. Raises MqttError."""
        codes = await self.subscribe(topic_filter, qos=qos)
        return next((str(code) for code in codes if getattr(code, "is_failure", False)), None)

    def _on_log(self, _client: PahoClient, _userdata: Any, level: int, text: str) -> None:
        if level == MQTT_LOG_ERR:
            self._last_error = text

    def _on_disconnect(
        self,
        client: PahoClient,
        userdata: Any,
        flags: DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        if not self._connected.done():
            # Else a broker that hangs up before it has let us in would be waited for in vain.
            self._connected.set_exception(MqttError(self._last_error))
            # Nobody asks for it where the wait is over already; asked once, it is not logged as forgotten.
            self._connected.exception()
        super()._on_disconnect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: PahoClient, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self._refusal = Refusal(str(reason_code), for_now=reason_code.value in FOR_NOW)
        super()._on_publish(client, userdata, mid, reason_code, properties)
