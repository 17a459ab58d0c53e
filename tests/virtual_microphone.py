"""A microphone without a sound card: what a test plays is what the daemon's default device records."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 5.0

ALSA_CONFIGURATION = """\
</usr/share/alsa/alsa.conf>
pcm.!default { type pulse }
ctl.!default { type pulse }
pcm.virtual { type pulse device v.monitor }
"""


class VirtualMicrophone:
    """A PulseAudio server of its own with a null sink, whose monitor is what records.

    Give `environment` to a child process: its default capture device, and the one that is named `virtual`,
    then record what `play` plays; silence before and after.
    """

    device = "virtual"
    """The name of the capture device, where a test wants to ask for it by name."""

    def __init__(self, pulseaudio: str, paplay: str, folder: Path) -> None:
        self._pulseaudio = pulseaudio
        self._paplay = paplay
        self._log = folder / "pulseaudio.log"
        self._socket = folder / "pulse" / "native"
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o700)
        alsa_configuration = folder / "asound.conf"
        alsa_configuration.write_text(ALSA_CONFIGURATION)
        self.environment = {
            **os.environ,
            "ALSA_CONFIG_PATH": str(alsa_configuration),
            "HOME": str(folder),
            "PULSE_SERVER": f"unix:{self._socket}",
            "PULSE_SOURCE": "v.monitor",
            "XDG_RUNTIME_DIR": str(folder),
        }

    def start(self) -> None:
        """Start the server and return when it accepts connections."""
        sink = "module-null-sink sink_name=v rate=48000 channels=2"
        command = [self._pulseaudio, "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "-L", "module-native-protocol-unix", "-L", sink],
                env={name: value for name, value in self.environment.items() if name != "PULSE_SERVER"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.unplug()
                raise RuntimeError(f"pulseaudio did not start:\n{self._log.read_text()}")
            time.sleep(0.02)

    def play(self, path: Path) -> None:
        """Play an audio file to its end."""
        command = [self._paplay, "--device=v", str(path)]
        subprocess.run(command, env=self.environment, check=True, capture_output=True)

    def unplug(self) -> None:
        """Take the microphone away for good; what records from it sees its device fail."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(self._socket))
            return True
        return False
