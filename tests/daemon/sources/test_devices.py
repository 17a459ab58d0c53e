"""A device is found by a name that stays, or the owner learns which names there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from daemon.sources.devices import CaptureDevice, choose_device
from foundation.errors import AudioDeviceError

REPOSITORY = Path(__file__).parents[3]


def device(name: str, index: int, *, host_api: str = "ALSA", is_default: bool = False) -> CaptureDevice:
    return CaptureDevice(
        name=name, host_api=host_api, channels=2, rate_hz=48_000, is_default=is_default, index=index
    )


BUILTIN = device("HDA Intel PCH: ALC257 Analog (hw:0,0)", 0)
LEFT = device("USB Audio: - (hw:1,0)", 1)
RIGHT = device("USB Audio: - (hw:2,0)", 2)
DEFAULT = device("default", 3, is_default=True)
DEVICES = (BUILTIN, LEFT, RIGHT, DEFAULT)


@pytest.fixture
def sound_class(tmp_path: Path) -> Path:
    """Two equal microphones, to which udev gave names of their own."""
    for number, name in enumerate(("PCH", "LeftMic", "RightMic")):
        (tmp_path / f"card{number}").mkdir()
        (tmp_path / f"card{number}" / "id").write_text(f"{name}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (None, DEFAULT),
        ("alc257", BUILTIN),
        ("HDA Intel PCH", BUILTIN),
        ("default", DEFAULT),
        ("USB Audio: - (hw:2,0)", RIGHT),
        ("CARD=LeftMic", LEFT),
        ("hw:CARD=RightMic,DEV=0", RIGHT),
    ],
)
def test_one_device_is_found(wanted: str | None, expected: CaptureDevice, sound_class: Path) -> None:
    """Whole names, parts of names and card ids lead to one device."""
    assert choose_device(wanted, DEVICES, sound_class=sound_class) is expected


def test_a_whole_name_wins_over_a_part_of_another() -> None:
    """A device whose name is part of another's can still be named."""
    short, long = device("Mic", 0), device("Mic Array", 1)

    assert choose_device("mic", (long, short)) is short


def test_the_host_api_tells_equal_names_apart() -> None:
    """The same card behind two host APIs is named with the one that is meant."""
    alsa, jack = device("USB Audio", 0), device("USB Audio", 1, host_api="JACK Audio Connection Kit")

    assert choose_device("USB Audio, ALSA", (alsa, jack)) is alsa


def test_an_ambiguous_name_lists_what_it_could_mean() -> None:
    """Nothing is chosen by chance: both candidates are named, and the others are not."""
    with pytest.raises(AudioDeviceError, match="names 2 capture devices") as caught:
        choose_device("USB Audio", DEVICES)

    assert LEFT.name in str(caught.value)
    assert RIGHT.name in str(caught.value)
    assert BUILTIN.name not in str(caught.value)


@pytest.mark.parametrize("wanted", ["Blue Yeti", "CARD=Yeti", "CARD=PCH,DEV=7"])
def test_an_unknown_name_lists_what_there_is(wanted: str, sound_class: Path) -> None:
    """The owner can copy the right name from the message."""
    with pytest.raises(AudioDeviceError, match="no capture device") as caught:
        choose_device(wanted, DEVICES, sound_class=sound_class)

    assert all(str(existing) in str(caught.value) for existing in DEVICES)
    assert "USB Audio: - (hw:1,0), ALSA (2 channels, 48000 Hz)" in str(caught.value)


def test_a_machine_without_a_default_asks_for_a_name() -> None:
    """No device is taken for the default that the system does not call so."""
    with pytest.raises(AudioDeviceError, match="set `device` to one of these"):
        choose_device(None, (BUILTIN, LEFT))


def test_a_machine_without_devices_says_so() -> None:
    """A list of nothing would help nobody."""
    with pytest.raises(AudioDeviceError, match="no capture device was found"):
        choose_device("USB Audio", ())


WITHOUT_PORTAUDIO = """
import ctypes.util
find = ctypes.util.find_library
ctypes.util.find_library = lambda name: None if name == "portaudio" else find(name)
from daemon.sources.devices import capture_devices
capture_devices()
"""


def test_a_missing_library_is_named_by_its_package() -> None:
    """Hiding the library from the loader is what a machine without it looks like to sounddevice."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PORTAUDIO], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert "foundation.errors.AudioDeviceError" in done.stderr
    assert "apt install libportaudio2" in done.stderr
