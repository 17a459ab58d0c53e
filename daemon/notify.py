"""Tells the service manager how the daemon is: the sd_notify protocol, which is one datagram."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Notifier:
    """Sends lines such as READY=1 to systemd; outside systemd every call does nothing."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_interval_s = _watchdog_interval_s(environment)
        """How often the service manager wants WATCHDOG=1 at the latest, or None if it does not watch."""

    def ready(self, status: str) -> None:
        """Say that start-up is over."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Give the one line that `systemctl status` shows."""
        self._send(f"STATUS={status}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the daemon is going down on purpose."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *assignments: str) -> None:
        if not self._address:
            return
        # A leading @ is how the abstract namespace is written down; the socket itself wants a zero byte.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.setblocking(False)  # noqa: FBT003 - the standard library's own signature
            door.sendto("\n".join(assignments).encode(), address)


def _watchdog_interval_s(environment: Mapping[str, str]) -> float | None:
    """Read WatchdogSec as systemd hands it on: microseconds, meant for one process only."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdigit() or int(microseconds) == 0 or meant_for != str(os.getpid()):
        return None
    return int(microseconds) / 1e6
