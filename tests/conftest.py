"""What tests of every room share: the recordings beside the checkout, and a real broker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from benchmarks.broker import Mosquitto
from tests.requirements import cannot_run, required_program
from tests.virtual_microphone import VirtualMicrophone

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the recordings, so that `-m "not recordings"` is complete without anybody's care."""
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.recordings)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder that holds `audio/manifest.csv` and the teacher models."""
    folder = Path(os.environ.get("HEARD_SHARED", REPOSITORY.parent / "shared")).resolve()
    if not (folder / "audio" / "manifest.csv").is_file():
        cannot_run(f"no audio/manifest.csv in {folder}; HEARD_SHARED names the folder that has it")
    return folder


@pytest.fixture
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A running broker of this test's own."""
    executable = required_program("mosquitto", debian_package="mosquitto")
    broker = Mosquitto(executable, tmp_path_factory.mktemp("mosquitto"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def virtual_microphone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VirtualMicrophone]:
    """A capture device of this test's own, for a child process that gets its `environment`."""
    pulseaudio = required_program("pulseaudio", debian_package="pulseaudio")
    paplay = required_program("paplay", debian_package="pulseaudio-utils")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        cannot_run("ALSA cannot reach PulseAudio; on Debian: apt-get install libasound2-plugins")
    microphone = VirtualMicrophone(pulseaudio, paplay, tmp_path_factory.mktemp("pulse"))
    microphone.start()
    yield microphone
    microphone.unplug()
