from __future__ import annotations

import os
import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.notify import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's end of the socket."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as door:
        door.bind(str(tmp_path / "notify"))
        door.settimeout(5)
        yield door


def test_says_ready_with_a_status_line(manager: socket.socket) -> None:
    """The service manager learns in one datagram that start-up is over."""
    Notifier({"NOTIFY_SOCKET": manager.getsockname()}).ready("1 stream")

    assert manager.recv(1000) == b"READY=1\nSTATUS=1 stream"


def test_speaks_each_line_of_the_protocol(manager: socket.socket) -> None:
    """Feeding the watchdog, the status line and the farewell each are one datagram."""
    notifier = Notifier({"NOTIFY_SOCKET": manager.getsockname()})

    notifier.alive()
    notifier.status("ok")
    notifier.stopping()

    assert [manager.recv(1000) for _ in range(3)] == [
        b"WATCHDOG=1",
        b"STATUS=ok",
        b"STOPPING=1\nSTATUS=stopping",
    ]


def test_reaches_an_abstract_socket() -> None:
    """An address that starts with @ lies in the abstract namespace."""
    name = f"heard-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as door:
        door.bind("\0" + name)
        door.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert door.recv(1000) == b"WATCHDOG=1"


def test_is_silent_without_a_service_manager() -> None:
    """Started by hand, the daemon tells nobody and does not watch itself."""
    notifier = Notifier({})

    notifier.ready("1 stream")

    assert notifier.watchdog_interval_s is None


def test_survives_a_service_manager_that_went_away(tmp_path: Path) -> None:
    """A missing socket is no reason to stop listening."""
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


def test_reads_the_watchdog_interval() -> None:
    """WATCHDOG_USEC counts microseconds."""
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_interval_s == 30.0


def test_ignores_a_watchdog_meant_for_another_process() -> None:
    """A variable inherited from a parent service does not make this one feed its watchdog."""
    assert Notifier({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}).watchdog_interval_s is None
