"""What a capture device hears comes out: a real PulseAudio server, a real PortAudio, a real tone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile

if TYPE_CHECKING:
    from tests.virtual_microphone import VirtualMicrophone

REPOSITORY = Path(__file__).parents[3]
TONE_HZ = 1_000

# ALSA reads its configuration once per process, so each test records in a process of its own.
RECORD = """
import asyncio, sys
import numpy as np
from daemon.sources.microphone import MicrophoneSource
from foundation.errors import HeardError

async def main(device, channels, rate_hz, seconds, path):
    pieces, end = [], 0
    try:
        async with MicrophoneSource(
            device or None, channels=int(channels), rate_hz=int(rate_hz) or None, stall_s=3.0
        ) as source:
            async for block in source.blocks():
                if not pieces:
                    print("recording", source.device.name, source.epoch_s, flush=True)
                assert block.samples.shape[0] == source.channels
                pieces.append(block.samples)
                end = block.start + block.samples.shape[1]
                if end >= float(seconds) * source.rate_hz:
                    break
            np.savez(path, samples=np.concatenate(pieces, axis=1), rate_hz=source.rate_hz,
                     dropped=source.dropped_samples, end=end)
    except HeardError as error:
        print(f"{type(error).__name__}: {error}", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def recorder(
    microphone: VirtualMicrophone,
    path: Path,
    *,
    device: str = "",
    channels: int = 1,
    rate_hz: int = 0,
    seconds: float = 3.0,
) -> subprocess.Popen[str]:
    arguments = (device, str(channels), str(rate_hz), str(seconds), str(path))
    return subprocess.Popen(
        [sys.executable, "-c", RECORD, *arguments],
        cwd=REPOSITORY,
        env=microphone.environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def tone(path: Path, *, seconds: float) -> Path:
    time_s = np.arange(round(48_000 * seconds)) / 48_000
    left = 0.5 * np.sin(2 * np.pi * TONE_HZ * time_s)
    soundfile.write(path, np.stack([left, 0.5 * left], axis=1), 48_000)
    return path


def strongest_hz(samples: np.ndarray, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def test_a_tone_is_recorded_from_the_default_device(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """Mono at the device's own rate: the tone is there, at its pitch, in the audio's own time."""
    with recorder(virtual_microphone, tmp_path / "heard.npz") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("recording default ")
        virtual_microphone.play(tone(tmp_path / "tone.wav", seconds=1.0))

    heard = np.load(tmp_path / "heard.npz")
    rate_hz = int(heard["rate_hz"])
    assert rate_hz == 44_100
    assert heard["samples"].shape[1] + heard["dropped"] == heard["end"]
    assert abs(strongest_hz(heard["samples"][0], rate_hz) - TONE_HZ) < 5
    assert np.max(np.abs(heard["samples"])) > 0.2


def test_a_named_device_records_two_channels_at_the_rate_asked_for(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """Channels stay apart, and the rate is the configuration's."""
    options = {"channels": 2, "rate_hz": 16_000}
    with recorder(
        virtual_microphone, tmp_path / "heard.npz", device=virtual_microphone.device, **options
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("recording virtual ")
        virtual_microphone.play(tone(tmp_path / "tone.wav", seconds=1.0))

    heard = np.load(tmp_path / "heard.npz")
    left, right = heard["samples"]
    assert int(heard["rate_hz"]) == 16_000
    assert abs(strongest_hz(left, 16_000) - TONE_HZ) < 5
    assert np.isclose(np.max(np.abs(right)), np.max(np.abs(left)) / 2, rtol=0.05)


def test_a_device_that_is_taken_away_stalls(virtual_microphone: VirtualMicrophone, tmp_path: Path) -> None:
    """Silence because nobody records is never taken for a quiet room."""
    with recorder(virtual_microphone, tmp_path / "heard.npz", seconds=1000.0) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("recording")
        virtual_microphone.unplug()
        assert process.stdout.readline().startswith("SourceStalled: default: ")


def test_an_unknown_device_is_refused_with_those_that_exist(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """The message holds the names to choose from."""
    with recorder(virtual_microphone, tmp_path / "heard.npz", device="Blue Yeti") as process:
        output, _ = process.communicate()

    assert "AudioDeviceError: there is no capture device 'Blue Yeti'; there are:" in output
    assert "virtual, ALSA (" in output


def test_more_channels_than_there_are_is_refused(
    virtual_microphone: VirtualMicrophone, tmp_path: Path
) -> None:
    """The device's number of channels is in the message."""
    with recorder(virtual_microphone, tmp_path / "heard.npz", channels=64) as process:
        output, _ = process.communicate()

    assert "AudioDeviceError: default, ALSA: 64 channels were asked for, it has 32" in output
