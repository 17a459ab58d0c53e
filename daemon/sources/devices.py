"""The capture devices of this machine, and how the owner names one.

A device is found by name, never by number: numbers change with what is plugged in.
"""

from __future__ import annotations

import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from foundation.errors import AudioDeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_CARD = re.compile(r"(?:(?:plug)?hw:)?CARD=(?P<card>\w+)(?:,DEV=(?P<device>\d+))?", re.IGNORECASE)
_SOUND_CLASS = Path("/sys/class/sound")

_NO_DEVICE = (
    "no capture device was found. Plug a microphone in; the user that heard runs as must be in the group "
    "`audio`; `arecord -l` (Debian's alsa-utils) shows what the kernel sees"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureDevice:
    """Something that records, as PortAudio describes it."""

    name: str
    host_api: str
    """ALSA, JACK …"""
    channels: int
    rate_hz: int
    """The rate it records at by default."""
    is_default: bool
    index: int
    """PortAudio's number for it, which changes; good for opening it right away, never for naming it."""

    @property
    def full_name(self) -> str:
        """The name that tells it from the same device behind another host API."""
        return f"{self.name}, {self.host_api}"

    def __str__(self) -> str:
        plural = "" if self.channels == 1 else "s"
        return f"{self.full_name} ({self.channels} channel{plural}, {self.rate_hz} Hz)"


def capture_devices() -> tuple[CaptureDevice, ...]:
    """List what can be recorded from. Raises AudioDeviceError where PortAudio is missing."""
    with portaudio() as library:
        return list_devices(library)


def choose_device(
    wanted: str | None, devices: tuple[CaptureDevice, ...], *, sound_class: Path = _SOUND_CLASS
) -> CaptureDevice:
    """Return the one device that `wanted` names; the default device for None.

    A name is compared without regard to case, first whole, then as a part of `full_name`. `CARD=<id>` (with
    `,DEV=<number>`) names an ALSA card by the id that udev gave it. Raises AudioDeviceError with the devices
    that exist where none fits, and with those that fit where there are several.
    """
    if not devices:
        raise AudioDeviceError(_NO_DEVICE)
    matches = _matches(wanted, devices, sound_class)
    if len(matches) == 1:
        return matches[0]
    if matches:
        problem = f"{wanted!r} names {len(matches)} capture devices; write more of the name, or CARD=<id>:"
    elif wanted is None:
        problem = "there is no default capture device; set `device` to one of these:"
    else:
        problem = f"there is no capture device {wanted!r}; there are:"
    raise AudioDeviceError("\n    ".join([problem, *(str(device) for device in matches or devices)]))


def list_devices(library: Any) -> tuple[CaptureDevice, ...]:
    """List the capture devices that the loaded `library` knows."""
    try:
        default = library.query_devices(kind="input")["index"]
    except (library.PortAudioError, ValueError):
        default = -1
    host_apis = library.query_hostapis()
    return tuple(
        CaptureDevice(
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            channels=device["max_input_channels"],
            rate_hz=round(device["default_samplerate"]),
            is_default=device["index"] == default,
            index=device["index"],
        )
        for device in library.query_devices()
        if device["max_input_channels"] > 0
    )


_library_lock = Lock()
_streams: set[int] = set()
"""The open streams of this process: PortAudio, one for all, looks for devices only while there are none."""


@contextmanager
def portaudio() -> Iterator[Any]:
    """Hold the library, with as new a list of devices as it can have. Blocks: call it from a thread.

    What is plugged in while a stream is open is not seen until all streams have been closed.
    """
    with _library_lock:
        was_loaded = "sounddevice" in sys.modules
        try:
            import sounddevice
        except OSError as error:
            raise AudioDeviceError(
                "PortAudio, which reaches microphones, is missing. On Debian: apt install libportaudio2"
            ) from error
        if was_loaded and not _streams:
            sounddevice._terminate()  # noqa: SLF001 - the library has no other way to look again
            sounddevice._initialize()  # noqa: SLF001 - same
        yield sounddevice


def stream_opened(stream: object) -> None:
    """Note, while holding the library, that it must keep its list of devices for `stream`."""
    _streams.add(id(stream))


def stream_closed(stream: object) -> None:
    """Note that `stream` needs the library no longer."""
    with _library_lock:
        _streams.discard(id(stream))


def _matches(
    wanted: str | None, devices: tuple[CaptureDevice, ...], sound_class: Path
) -> tuple[CaptureDevice, ...]:
    if wanted is None:
        return tuple(device for device in devices if device.is_default)
    if card := _CARD.fullmatch(wanted.strip()):
        address = _alsa_address(card["card"], card["device"], sound_class)
        return tuple(device for device in devices if address and address.search(device.name))
    name = wanted.strip().casefold()
    whole = tuple(
        device for device in devices if name in {device.name.casefold(), device.full_name.casefold()}
    )
    return whole or tuple(device for device in devices if name in device.full_name.casefold())


def _alsa_address(card_id: str, device: str | None, sound_class: Path) -> re.Pattern[str] | None:
    """Return what PortAudio writes into the names of this card's devices; None if there is no such card."""
    for id_file in sound_class.glob("card*/id"):
        if id_file.read_text().strip() == card_id:
            number = id_file.parent.name.removeprefix("card")
            return re.compile(rf"\(hw:{number},{device or '[0-9]+'}\)")
    return None
