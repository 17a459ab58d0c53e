"""Where the sound is inside an example."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.activity import active_regions


def _burst(seconds: float, level: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    return (level * rng.normal(size=int(seconds * DETECTION_RATE_HZ))).astype(np.float32)


def test_silence_has_no_region() -> None:
    """Digital silence, and hiss far below what can be heard, hold nothing."""
    assert active_regions(np.zeros(16_000, np.float32)) == ()
    assert active_regions(_burst(1.0, 1e-5)) == ()
    assert active_regions(np.zeros(0, np.float32)) == ()


@settings(deadline=None, max_examples=30)
@given(start=st.floats(0.3, 2.0), seconds=st.floats(0.05, 1.0), level=st.floats(0.02, 0.3))
def test_a_burst_is_found_where_it_is(start: float, seconds: float, level: float) -> None:
    """A burst over a quiet room is one region, within 20 ms at both ends."""
    audio = _burst(4.0, 5e-4)
    first = int(start * DETECTION_RATE_HZ)
    burst = _burst(seconds, level)
    audio[first : first + len(burst)] += burst
    (region,) = active_regions(audio)
    assert abs(region.start - first) <= 320
    assert abs(region.end - first - len(burst)) <= 320


def test_several_sounds_in_one_file_are_several_regions() -> None:
    """Three knocks half a second apart are three; two 100 ms apart are one."""
    audio = np.zeros(4 * DETECTION_RATE_HZ, np.float32)
    for at_s in (0.5, 1.2, 1.9, 2.05):
        first = int(at_s * DETECTION_RATE_HZ)
        audio[first : first + 800] = _burst(0.05, 0.2)
    assert len(active_regions(audio)) == 3


def test_a_steady_sound_is_active_throughout() -> None:
    """Rain has no floor of its own to stand out from."""
    audio = _burst(3.0, 0.05)
    (region,) = active_regions(audio)
    assert region.seconds == 3.0


def test_padding_is_no_floor() -> None:
    """Zeros around a steady sound do not hide it and do not belong to it."""
    audio = np.concatenate([np.zeros(16_000), _burst(1.0, 0.05), np.zeros(16_000)]).astype(np.float32)
    (region,) = active_regions(audio)
    assert (region.start, region.end) == (16_000, 32_000)


def test_a_rustle_beside_the_sound_is_left_out() -> None:
    """A region far below the loudest one teaches nothing."""
    audio = _burst(3.0, 1e-4)
    audio[8_000:12_000] += _burst(0.25, 0.3)
    audio[32_000:36_000] += _burst(0.25, 0.01)
    assert len(active_regions(audio)) == 1
