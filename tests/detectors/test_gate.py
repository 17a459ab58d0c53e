from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.gate import GateReading, GateSettings, GateState, step
from detectors.types import HOP_S, HOP_SAMPLES, Hop

RATE_HZ = 16_000
Audio = NDArray[np.float32]


def noise(seconds: float, level_dbfs: float, seed: int = 0) -> Audio:
    generator = np.random.default_rng(seed)
    samples = generator.standard_normal(round(seconds * RATE_HZ)) * 10 ** (level_dbfs / 20)
    return samples.astype(np.float32)


def tone(seconds: float, level_dbfs: float, pitch_hz: float = 1_000.0) -> Audio:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    samples: Audio = (np.sin(2 * np.pi * pitch_hz * time_s) * 2**0.5 * 10 ** (level_dbfs / 20)).astype(
        np.float32
    )
    return samples


def snap(level_dbfs: float) -> Audio:
    """60 ms of decaying noise."""
    burst = noise(0.06, level_dbfs, seed=1)
    return (burst * np.exp(-np.arange(len(burst)) / 200)).astype(np.float32)


def readings(samples: Audio, settings: GateSettings | None = None) -> list[GateReading]:
    settings = settings or GateSettings()
    state = GateState()
    result = []
    for index in range(len(samples) // HOP_SAMPLES):
        hop = Hop(index=index, samples=samples[index * HOP_SAMPLES : (index + 1) * HOP_SAMPLES])
        state, reading = step(state, hop, settings)
        result.append(reading)
    return result


def with_sound(background: Audio, sound: Audio, at_s: float) -> Audio:
    mixed = background.copy()
    start = round(at_s * RATE_HZ)
    mixed[start : start + len(sound)] += sound
    return mixed


def opened_between(result: list[GateReading], start_s: float, end_s: float) -> bool:
    return any(reading.open for reading in result[int(start_s / HOP_S) : int(end_s / HOP_S) + 1])


def test_a_quiet_room_keeps_it_shut() -> None:
    """Steady noise in a quiet room gives the encoder nothing to do, once the hold is over."""
    result = readings(noise(20.0, -60.0))
    assert not any(reading.open for reading in result)


@pytest.mark.parametrize("background_dbfs", [-70.0, -40.0])
@pytest.mark.parametrize("offset_s", [0.0, 0.02, 0.07])
def test_a_snap_opens_it_on_its_first_hop(background_dbfs: float, offset_s: float) -> None:
    """An abrupt sound opens the gate in the hop that it begins in, and its onset is known to 10 ms."""
    at_s = 60.0 + offset_s
    result = readings(with_sound(noise(62.0, background_dbfs), snap(-20.0), at_s))
    hop = int(at_s / HOP_S)
    assert not result[hop - 1].open
    assert result[hop].open
    onset_sample = result[hop].onset_sample
    assert onset_sample is not None
    assert abs(onset_sample / RATE_HZ - at_s) <= 0.01


def test_a_knock_under_rumble_opens_it() -> None:
    """A loud low hum does not hide what is quiet but bright."""
    hum = tone(81.0, -30.0, 50.0) + tone(81.0, -35.0, 100.0) + noise(81.0, -80.0)
    result = readings(with_sound(hum, snap(-50.0), 80.0))
    assert not opened_between(result, 79.0, 79.9)
    assert result[int(80.0 / HOP_S)].open


def test_a_sound_that_fades_in_opens_it() -> None:
    """A siren that comes nearer is heard long before it is at its loudest."""
    siren = tone(10.0, -20.0) * np.linspace(0.0, 1.0, 160_000, dtype=np.float32)
    result = readings(with_sound(noise(30.0, -55.0), siren.astype(np.float32), 15.0))
    assert not opened_between(result, 10.0, 14.9)
    assert opened_between(result, 15.0, 17.0)


def test_new_steady_noise_is_background_in_the_end() -> None:
    """A fan that was switched on opens the gate, and closes it within two minutes."""
    audio = np.concatenate([noise(10.0, -60.0), noise(170.0, -40.0, seed=3)])
    result = readings(audio)
    assert opened_between(result, 10.0, 10.1)
    assert not opened_between(result, 130.0, 179.0)


@pytest.mark.parametrize("above_db", [12.0, 30.0, 50.0])
def test_a_sustained_alarm_is_not_swallowed(above_db: float) -> None:
    """A steady alarm stays open for at least half a minute, however the floor rises."""
    audio = np.concatenate([noise(10.0, -60.0), tone(35.0, -60.0 + above_db, 3_000.0)])
    result = readings(audio)
    assert all(reading.open for reading in result[int(10.1 / HOP_S) : int(40.0 / HOP_S)])


def test_what_sounds_from_the_start_is_heard() -> None:
    """A recording that begins in the middle of a sound opens the gate at once."""
    assert readings(tone(1.0, -30.0))[0].open


def test_digital_silence_never_opens_it() -> None:
    """Zeros, and a hiss under the lowest level, are nothing."""
    assert not any(reading.open for reading in readings(np.zeros(80_000, np.float32)))
    assert not any(reading.open for reading in readings(noise(5.0, -85.0)))


def test_a_muted_microphone_does_not_deafen() -> None:
    """After minutes of zeros the first sound opens it."""
    audio = np.concatenate([np.zeros(120 * RATE_HZ, np.float32), tone(0.5, -50.0)])
    assert readings(audio)[-3].open


def test_it_holds_for_two_seconds() -> None:
    """After the last reason the gate stays open for the hold, and no longer."""
    result = readings(with_sound(noise(10.0, -60.0), snap(-20.0), 4.0))
    opened = [index for index, reading in enumerate(result) if reading.open]
    assert opened[0] == int(4.0 / HOP_S)
    assert 2.0 <= len(opened) * HOP_S <= 2.3
    assert opened == list(range(opened[0], opened[-1] + 1))


def test_it_can_be_left_open() -> None:
    """`always_open` opens on anything, silence too."""
    assert all(
        reading.open for reading in readings(np.zeros(16_000, np.float32), GateSettings(always_open=True))
    )


def test_it_says_level_and_floor() -> None:
    """The readings are the hop's RMS and the level of what is always there."""
    last = readings(noise(60.0, -45.0))[-1]
    assert last.level_dbfs == pytest.approx(-45.0, abs=1.0)
    assert last.noise_floor_dbfs == pytest.approx(-45.0, abs=2.0)


def test_a_step_leaves_its_state_alone() -> None:
    """The same state and hop give the same reading, again and again."""
    state = GateState()
    hop = Hop(index=0, samples=snap(-20.0)[:1].repeat(HOP_SAMPLES))
    assert step(state, hop, GateSettings()) == step(state, hop, GateSettings())
    assert state == GateState()
