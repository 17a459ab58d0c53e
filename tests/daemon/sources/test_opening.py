"""Settings lead to the source that they name."""

from __future__ import annotations

from pathlib import Path

from daemon.sources.file import FileSource
from daemon.sources.microphone import MicrophoneSource
from daemon.sources.opening import open_source
from daemon.sources.pipe import PipeSource
from daemon.sources.settings import FileSettings, MicrophoneSettings, PipeSettings


def test_each_kind_of_settings_makes_its_source() -> None:
    """Nothing is opened yet."""
    microphone = open_source(MicrophoneSettings(device="USB", channels=2, rate_hz=48_000))
    file = open_source(FileSettings(source="file", path=Path(__file__)))
    fifo = open_source(PipeSettings(source="pipe", path=Path("-"), rate_hz=16_000))
    command = open_source(PipeSettings(source="pipe", command=("arecord",), rate_hz=16_000, channels=2))

    assert isinstance(microphone, MicrophoneSource)
    assert (microphone.rate_hz, microphone.channels) == (48_000, 2)
    assert isinstance(file, FileSource)
    assert isinstance(fifo, PipeSource)
    assert isinstance(command, PipeSource)
    assert (command.rate_hz, command.channels) == (16_000, 2)
