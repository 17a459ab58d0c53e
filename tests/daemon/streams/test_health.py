from __future__ import annotations

import numpy as np
import pytest

from daemon.streams.health import Health, HealthMeter
from detectors.types import AudioBlock, Samples

_RATE_HZ = 16_000


def _feed(meter: HealthMeter, second: Samples, seconds: int) -> None:
    for index in range(seconds):
        meter.observe(AudioBlock(samples=second[None, :], rate_hz=_RATE_HZ, start=index * _RATE_HZ))


def _health(meter: HealthMeter) -> Health:
    return meter.health


def _noise(peak: float) -> Samples:
    return np.random.default_rng(1).uniform(-peak, peak, _RATE_HZ).astype(np.float32)


def test_a_quiet_room_is_ok() -> None:
    """The hiss of a microphone is enough to show that it is connected."""
    meter = HealthMeter()
    _feed(meter, _noise(1e-3), 60)
    assert _health(meter) is Health.OK


def test_zeros_for_half_a_minute_are_silent_and_any_sound_ends_it() -> None:
    """A dead microphone delivers zeros; a pause in a recording is shorter."""
    meter = HealthMeter()
    _feed(meter, np.zeros(_RATE_HZ, np.float32), 29)
    assert _health(meter) is Health.OK
    _feed(meter, np.zeros(_RATE_HZ, np.float32), 1)
    assert _health(meter) is Health.SILENT
    _feed(meter, _noise(0.01), 1)
    assert _health(meter) is Health.OK


def test_full_scale_samples_show_as_clipping_for_a_while() -> None:
    """An overdriven input is shown, and forgotten ten seconds after it ended."""
    meter = HealthMeter()
    _feed(meter, np.ones(_RATE_HZ, np.float32), 1)
    assert _health(meter) is Health.CLIPPING
    _feed(meter, _noise(0.1), 10)
    assert _health(meter) is Health.OK


def test_lost_audio_shows_as_dropping_for_a_while() -> None:
    """A machine that is too slow is shown, and forgotten ten seconds after it caught up."""
    meter = HealthMeter()
    _feed(meter, _noise(0.1), 1)
    meter.lost_audio()
    assert _health(meter) is Health.DROPPING
    _feed(meter, _noise(0.1), 10)
    assert _health(meter) is Health.OK


def test_audio_that_is_not_a_number_is_silent() -> None:
    """A driver that delivers NaN delivers nothing that could be heard."""
    meter = HealthMeter()
    _feed(meter, np.full(_RATE_HZ, np.nan, np.float32), 30)
    assert _health(meter) is Health.SILENT


@pytest.mark.parametrize("shape", [(0, 0), (1, 0), (2, 0)])
def test_empty_blocks_change_nothing(shape: tuple[int, int]) -> None:
    """A source may deliver nothing for once."""
    meter = HealthMeter()
    meter.observe(AudioBlock(samples=np.zeros(shape, np.float32), rate_hz=_RATE_HZ, start=0))
    assert _health(meter) is Health.OK
