"""A process that decides and delivers, to be killed, paused and measured."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.outbox_actor import BEGUN
from benchmarks.outbox_arrivals import Broken

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.broker import Mosquitto

START_TIMEOUT_S = 60.0


class Actor:
    """A process that decides and delivers."""

    def __init__(self, folder: Path, broker: Mosquitto, *, rate: float, lines: int | None = None) -> None:
        self._begun = threading.Event()
        self.launched_s = time.monotonic()
        self.begun_s = 0.0
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "benchmarks.outbox_actor",
                str(folder),
                broker.host,
                str(broker.port),
                "--rate",
                str(rate),
                *([] if lines is None else ["--lines", str(lines)]),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def resident_bytes(self) -> int:
        """The memory that the process holds."""
        with open(f"/proc/{self._process.pid}/statm", encoding="ascii") as file:  # noqa: PTH123 - no file to have a path
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def wait_until_begun(self) -> None:
        """Return when it decides."""
        if not self._begun.wait(START_TIMEOUT_S):
            raise Broken("the process did not begin")

    def wait_until_dead(self) -> None:
        """Return when it has killed itself."""
        if self._process.wait(START_TIMEOUT_S) != -signal.SIGKILL:
            raise Broken("the process ended otherwise")
        self._end()

    def pause(self) -> None:
        """Let it stand still."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it between two instructions."""
        self._process.send_signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        """Let it end by itself."""
        self._process.terminate()
        self._end()

    def _end(self) -> None:
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.strip() == BEGUN:
                    self.begun_s = time.monotonic()
                    self._begun.set()
