"""A real mosquitto on a free loopback port, for benchmarks and tests; it can be stopped and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 10.0

_ALSO_IN = os.pathsep.join(["/usr/sbin", "/usr/local/sbin", "/sbin"])
"""Where Debian puts daemons, which only root's PATH names."""


def find_program(name: str) -> str | None:
    """Return the path of an installed program, also where ordinary users' PATH does not look."""
    return shutil.which(name) or shutil.which(name, path=_ALSO_IN)


class Mosquitto:
    """One broker process. The port stays the same through every stop and start.

    `settings` are further lines of its configuration, for its one listener.
    """

    def __init__(self, executable: str, folder: Path, settings: Sequence[str] = ()) -> None:
        self.host = "127.0.0.1"
        self.port = _free_port()
        self._executable = executable
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None
        # Started by root, the broker would give up its rights and then fail to read this folder.
        anybody = (
            [] if any(line.startswith("allow_anonymous") for line in settings) else ["allow_anonymous true"]
        )
        lines = [f"listener {self.port} {self.host}", *anybody, "persistence false", "user root", *settings]
        self._config.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start the broker and return when it accepts connections."""
        if self._process is not None:
            return
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._executable, "-c", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.kill()
                raise RuntimeError(f"mosquitto did not start:\n{self._log.read_text()}")
            time.sleep(0.01)

    def stop(self) -> None:
        """Ask the broker to leave: it closes its connections properly."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self.kill()

    def kill(self) -> None:
        """End the broker without a word, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let the broker stop answering, with its connections open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on where it was."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((self.host, self.port), timeout=1.0):
            return True
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
