"""What the configuration says about the HTTP API."""

from __future__ import annotations

import ipaddress
import platform
import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from yarl import URL

from daemon.action_settings import from_credentials
from daemon.settings import ExistingFile, Flag, Integer, Settings

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?\.?", re.IGNORECASE)


def _host(text: str) -> str:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if not _HOST_NAME.fullmatch(text):
            raise ValueError("expected the name or the address of a host, without a port") from None
    return text.lower()


def _public_url(text: str) -> str:
    url = URL(text)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("expected a URL such as https://heard.example.org")
    if url.user is not None or url.query_string or url.fragment:
        raise ValueError("expected a URL of scheme, host, port and path alone")
    return text.rstrip("/")


class ApiTlsConfig(Settings):
    """What the API encrypts its connections with."""

    certificate_file: ExistingFile
    """Its certificate, and behind it those between it and the authority, in PEM."""
    key_file: ExistingFile | None = None
    """Its key, in PEM and not encrypted. Default: it is in `certificate_file`."""

    @model_validator(mode="before")
    @classmethod
    def _find_credentials(cls, values: object) -> object:
        """Take files from where systemd's LoadCredential= puts them."""
        return from_credentials(from_credentials(values, "certificate_file"), "key_file")


class ApiConfig(Settings):
    """The HTTP API, live events, metrics and health."""

    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    """Where it listens; every address but loopback needs a token (`heard token add`)."""
    port: Annotated[Integer, Field(ge=0, le=65_535)] = 8_765
    """1 to 65535, or 0 for any that is free; `heard status` says which."""
    tls: ApiTlsConfig | None = None
    """Nobody on the way reads what is said, tokens neither. Default: it is not encrypted."""
    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """How others reach it, such as behind a proxy. Default: host and port."""
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = ()
    """Names that requests may be addressed to, besides those of loopback and `public_url`."""
    require_token: Flag = False
    """Whether programs on this machine need a token as well."""
    announce: Flag | None = None
    """Whether the local network is told of it. Default: where it listens beyond this machine."""
    max_body_bytes: Annotated[Integer, Field(ge=100_000, le=1_000_000_000)] = 100_000_000
    """Bytes of a request, 100000 to a billion: recordings to teach from, profiles to import."""
    requests_per_s: Annotated[Integer, Field(ge=1, le=10_000)] = 50
    """From one address, 1 to 10000; four seconds' worth may come at once."""
    max_listeners: Annotated[Integer, Field(ge=1, le=10_000)] = 128
    """Live streams that are open at once, 1 to 10000."""

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def announced(self) -> bool:
        """Whether it is announced in the local network."""
        return not self.on_loopback if self.announce is None else self.announce

    def url(self, port: int) -> str:
        """Return where the API is found, listening at `port`."""
        if self.public_url is not None:
            return self.public_url
        host = self.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - asked about, not bound
            host = platform.node() or "localhost"
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def names(self) -> frozenset[str]:
        """Return the host names that a request may be addressed to."""
        names = {*LOOPBACK_NAMES, self.host, *self.hosts}
        if public := URL(self.url(self.port)).host:
            names.add(public.lower())
        if not self.on_loopback and (machine := platform.node().lower()):
            # What this machine is called in its own network, which no page elsewhere can have point at it.
            names |= {machine, f"{machine.partition('.')[0]}.local"}
        return frozenset(names)
