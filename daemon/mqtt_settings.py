"""What the configuration says about the MQTT broker."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from daemon.action_settings import from_credentials, read_secret
from daemon.settings import ExistingFile, Flag, Integer, Settings
from foundation.errors import ActionError
from integrations.home_assistant.discovery.dialects import Dialect
from integrations.mqtt_broker import Broker, Tls
from integrations.topics import check_topic

PLAIN_PORT = 1_883
TLS_PORT = 8_883


def _topic(prefix: str) -> str:
    if prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError("a prefix neither begins nor ends with a slash")
    try:
        check_topic(prefix)
    except ActionError as error:
        raise ValueError(str(error)) from None
    return prefix


def _path(path: str) -> str:
    if not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("expected a path such as /mqtt, without spaces")
    return path


class MqttTlsConfig(Settings):
    """How the connection to the broker is encrypted. `tls: {}` trusts the CAs that this machine trusts."""

    ca_file: ExistingFile | None = None
    """The certificate of the CA that signed the broker's, in PEM; then no other is trusted."""
    certificate_file: ExistingFile | None = None
    """A client certificate, in PEM, where the broker wants one."""
    key_file: ExistingFile | None = None
    """Its key, in PEM and not encrypted. Default: it is in `certificate_file`."""
    insecure: Flag = False
    """Speak to whoever answers, and send them the password. Every connection and `heard status` say so."""

    @model_validator(mode="before")
    @classmethod
    def _find_credentials(cls, values: object) -> object:
        """Take files from where systemd's LoadCredential= puts them."""
        for key in ("ca_file", "certificate_file", "key_file"):
            values = from_credentials(values, key)
        return values

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.key_file is not None and self.certificate_file is None:
            raise ValueError("a 'key_file' needs a 'certificate_file'")
        if self.insecure and self.ca_file is not None:
            raise ValueError("either 'insecure' or 'ca_file': with 'insecure' nothing is checked")
        return self


class DiscoveryConfig(Settings):
    """What Home Assistant is told, so that it makes devices and entities of this node."""

    dialect: Literal["auto", "device", "single", "off"] = "auto"
    """`single` for Home Assistant before 2024.11, else `device`. auto: `device`."""
    prefix: Annotated[str, AfterValidator(_topic)] = "homeassistant"
    """The discovery prefix that is set in Home Assistant."""
    birth_topic: Annotated[str, AfterValidator(_topic)] = "homeassistant/status"
    """Where Home Assistant says that it has started."""

    @property
    def spoken(self) -> Dialect | None:
        """The dialect that is spoken; None: nothing is said."""
        match self.dialect:
            case "off":
                return None
            case "single":
                return "single"
            case _:
                return "device"


class MqttConfig(Settings):
    """The broker that events and states go to."""

    host: Annotated[str, Field(min_length=1)]
    """Name or address of the broker."""
    port: Annotated[Integer, Field(ge=1, le=65_535)] | None = None
    """1 to 65535. Default: 1883, with `tls` 8883; with `websocket_path` there is none."""
    protocol: Literal["3.1.1", "5"] = "3.1.1"
    """The version of MQTT, in quotes. With 5 the broker says what it refuses, and forgets old events."""
    username: Annotated[str, Field(min_length=1)] | None = None
    """Default: no sign-in."""
    password: SecretStr | None = None
    """In plain text; better is `password_file`."""
    password_file: ExistingFile | None = None
    """A file whose first line is the password. Relative to systemd's credentials folder, if it is there."""
    tls: MqttTlsConfig | None = None
    """Default: not encrypted."""
    websocket_path: Annotated[str, AfterValidator(_path)] | None = None
    """Speak MQTT over a WebSocket at this path. Default: over TCP."""
    prefix: Annotated[str, AfterValidator(_topic)] = "heard"
    """The first level or levels of every topic."""
    keepalive_s: Annotated[Integer, Field(ge=5, le=3_600)] = 30
    """Seconds, 5 to 3600: a broker that is silent for half as long again is taken for gone."""
    discovery: DiscoveryConfig = DiscoveryConfig()
    """What Home Assistant is told of this node."""

    @model_validator(mode="before")
    @classmethod
    def _find_credential(cls, values: object) -> object:
        """Take `password_file` from where systemd's LoadCredential= puts it."""
        return from_credentials(values, "password_file")

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("either 'password' or 'password_file', not both")
        if self.username is None and (self.password is not None or self.password_file is not None):
            raise ValueError("a password needs a 'username'")
        if self.websocket_path is not None and self.port is None:
            raise ValueError("'websocket_path' needs a 'port': brokers differ in where their WebSocket is")
        return self

    def secret(self) -> str | None:
        """Return the password, reading its file now. Raises ConfigError if the file cannot be read."""
        if self.password_file is None:
            return None if self.password is None else self.password.get_secret_value()
        return read_secret(self.password_file, "password")

    def broker(self) -> Broker:
        """Return the same as the link knows it, password and all. Raises ConfigError."""
        return Broker(
            host=self.host,
            port=self.port or (PLAIN_PORT if self.tls is None else TLS_PORT),
            protocol=self.protocol,
            username=self.username,
            password=self.secret(),
            keepalive_s=self.keepalive_s,
            tls=None if self.tls is None else Tls(**dict(self.tls)),
            websocket_path=self.websocket_path,
        )
