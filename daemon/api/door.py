"""Opens the API's port at the start, and lets requests in once everything is there to answer them.

What it takes to answer them is imported only then: a daemon without the API does without it.
"""

from __future__ import annotations

import logging
import socket
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING

from daemon.api.addresses import Addresses
from daemon.api.certificate import Certificate
from daemon.api.feed import Feed
from daemon.api.tokens import TokenFile
from foundation.errors import OwnerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from daemon.api.house import House
    from daemon.api.server import Server
    from daemon.config import Config

BACKLOG = 128

_log = logging.getLogger(__name__)


class ApiCannotOpen(OwnerError):
    """The API cannot listen where the configuration wants it to."""


class ApiDoor:
    """The API of one daemon. `feed` is told what happens."""

    def __init__(self, config: Config) -> None:
        assert config.api is not None
        self._config = config.api
        self._wanted = "api" in config.model_fields_set
        self.tokens = TokenFile(config.state_dir)
        self.feed = Feed()
        self._certificate: Certificate | None = None
        self._socket: socket.socket | None = None
        self.server: Server | None = None
        """Who answers; there once somebody does."""
        self.state = "off"
        """Where it is found, or why nowhere."""

    @property
    def port(self) -> int | None:
        """The port that it listens at, if it does."""
        return None if self._socket is None else int(self._socket.getsockname()[1])

    @property
    def addresses(self) -> Addresses:
        """The URLs of what it serves."""
        return Addresses(base=self._config.url(self.port or self._config.port))

    def check(self) -> None:
        """Raise OwnerError where strangers could reach it without a token, or its certificate is none."""
        if not self._config.on_loopback and not self.tokens.tokens():
            raise ApiCannotOpen(
                f"The API may only listen on {self._config.host} once there is a token: make one with "
                "`heard token add NAME --scope read`, or set 'host: 127.0.0.1' under 'api'."
            )
        if self._config.tls is not None:
            self._certificate = Certificate(self._config.tls)

    def open(self) -> None:
        """Take the port; nobody is answered yet. Raises OwnerError where it cannot be had.

        Where the configuration says nothing of an API, hearing is worth more: then it stays shut.
        """
        self.check()
        api = self._config
        try:
            self._socket = _listening(api.host, api.port)
        except OSError as error:
            self.state = f"port {api.port} of {api.host} cannot be had: {error.strerror or error}"
            told = f"The API cannot listen: {self.state}. Set another 'port' under 'api', or 'api: null'."
            if self._wanted:
                raise ApiCannotOpen(told) from error
            _log.warning("%s", told)
            return
        self.state = self.addresses.base
        self.feed.clip_url, self.feed.picture_url = self.addresses.clip, self.addresses.picture

    def close(self) -> None:
        """Give the port back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @asynccontextmanager
    async def serving(self, house: House) -> AsyncIterator[None]:
        """Answer requests for as long as this lasts."""
        if self._socket is None:
            yield
            return
        from daemon.api.server import Server

        self.server = Server(self._config, self._socket, house, self._certificate)
        async with self.server, self._announced(house):
            _log.info("the API is at %s", self.state)
            yield

    def _announced(self, house: House) -> AbstractAsyncContextManager[None]:
        if not self._config.announced or self._socket is None:
            return nullcontext()
        from integrations.zeroconf_announcement import Announcement, announced

        status = house.status()
        host, port = self._socket.getsockname()[:2]
        return announced(
            Announcement(
                installation=status.id,
                node=status.node,
                version=status.version,
                host=host,
                port=port,
                tls=self._certificate is not None,
            )
        )


def _listening(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name of loopback may stand for both families; IPv4 is what everybody tries.
    family, kind, protocol, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.settimeout(0.0)
    except OSError:
        listener.close()
        raise
    return listener
