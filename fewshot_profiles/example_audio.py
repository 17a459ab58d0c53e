"""Reading one example: what cannot teach is refused with a reason and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from detectors.types import HOP_SAMPLES, Samples
from fewshot_profiles.activity import AUDIBLE_DBFS, Region, active_regions
from fewshot_profiles.embedding import frame_clip
from foundation.errors import ExampleError

SHORTEST_S = 0.06
LONGEST_S = 120.0
"""A longer recording is an afternoon, not an example."""
MOST_SAMPLES = 60_000_000
"""Of all channels: two minutes of stereo at 192 kHz are less. A small file may claim to hold far more."""

_CLIPPED_LEVEL = 0.985
_CLIPPED_SHARE = 0.01
_CLIPPED_RUN = 3  # one sample at full scale is a peak; three in a row are a flat top


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleAudio:
    """One example as it was recorded, and the sounds found inside it."""

    name: str
    samples: Samples
    """[channels, n] at `rate_hz`, as recorded"""
    rate_hz: int
    audio: Samples
    """[hops * HOP_SAMPLES] at DETECTION_RATE_HZ, mono"""
    regions: tuple[Region, ...]

    @property
    def seconds(self) -> float:
        """How much of it sounds."""
        return sum(region.seconds for region in self.regions)

    @property
    def hops(self) -> Samples:
        """The audio as the encoder takes it: [hops, HOP_SAMPLES]."""
        return self.audio.reshape(-1, HOP_SAMPLES)


def read_example(path: Path) -> ExampleAudio:
    """Read a file and find the sounds in it. Raises ExampleError, with a remedy, for what cannot teach."""
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, seconds = file.samplerate, file.frames / file.samplerate
            if seconds > LONGEST_S:
                raise ExampleError(
                    f"{path} lasts {seconds:.0f} s. Cut out the sound with a second of quiet around it "
                    f"(at most {LONGEST_S:.0f} s)."
                )
            if file.frames * file.channels > MOST_SAMPLES:
                raise ExampleError(
                    f"{path} holds {file.channels} channels at {rate_hz} Hz, more than an example needs. "
                    "Save it as mono or stereo at 48 kHz."
                )
            samples = file.read(dtype="float32", always_2d=True).T
    except FileNotFoundError:
        raise ExampleError(f"{path} does not exist. Check the path.") from None
    except (soundfile.LibsndfileError, OSError) as error:
        if not path.exists():
            raise ExampleError(f"{path} does not exist. Check the path.") from None
        raise ExampleError(
            f"{path} cannot be read as audio ({error}). Save it as WAV, FLAC, Ogg or MP3."
        ) from error
    return examine(str(path), samples, rate_hz)


def examine(name: str, samples: NDArray[np.float32], rate_hz: int) -> ExampleAudio:
    """Find the sounds in a recording [channels, n]. Raises ExampleError for what cannot teach."""
    seconds = samples.shape[1] / rate_hz
    if seconds < SHORTEST_S:
        raise ExampleError(
            f"{name} lasts only {seconds * 1000:.0f} ms. "
            "Record the whole sound with a second of quiet around it."
        )
    if not np.isfinite(samples).all():
        raise ExampleError(f"{name} holds values that are no numbers: the file is damaged. Record it again.")
    hops = frame_clip(samples, rate_hz)
    audio = hops.reshape(-1)
    regions = active_regions(audio)
    if not regions:
        raise ExampleError(
            f"{name} is silent: nothing in it is louder than {AUDIBLE_DBFS:.0f} dBFS. "
            "Check the microphone's level, or record from nearer."
        )
    clipped = _clipped_share(samples)
    if clipped > _CLIPPED_SHARE:
        raise ExampleError(
            f"{name} is clipped: {clipped:.0%} of its loud part is cut off at full scale. "
            "Turn the microphone's level down, or record from farther away."
        )
    return ExampleAudio(name=name, samples=samples, rate_hz=rate_hz, audio=audio, regions=regions)


def active_hops(regions: tuple[Region, ...], count: int, tail_hops: int) -> NDArray[np.bool_]:
    """Return which of `count` hops hold sound, and the `tail_hops` in which the encoder still hears it."""
    mask = np.zeros(count, dtype=bool)
    for region in regions:
        first = region.start // HOP_SAMPLES
        last = (region.end - 1) // HOP_SAMPLES
        mask[first : last + 1 + tail_hops] = True
    return mask


def _clipped_share(samples: NDArray[np.float32]) -> float:
    """Return how much of the loud part lies in runs at full scale."""
    flat = np.abs(samples) >= _CLIPPED_LEVEL
    runs = np.lib.stride_tricks.sliding_window_view(flat, _CLIPPED_RUN, axis=1).all(axis=2)
    loud = np.abs(samples) >= _CLIPPED_LEVEL / 4
    return float(np.count_nonzero(runs)) / max(1, int(np.count_nonzero(loud)))
