"""What counts as a false alarm."""

from __future__ import annotations

from pathlib import Path

from benchmarks.dataset import Recording
from benchmarks.false_alarms import false_alarms, rates
from daemon.replay import ReplayedFile, ReplayedSound


def sound(profile: str) -> ReplayedSound:
    return ReplayedSound(
        file=Path("x"),
        profile=profile,
        score=0.9,
        onset_s=1.0,
        end_s=1.5,
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=False,
    )


def test_what_a_recording_may_hold_is_not_counted() -> None:
    """Neither a named profile nor the recording's own label is a false alarm; anything else is."""
    recording = Recording(file=Path("x"), columns={"label": "dog", "may_contain": "car_horn speech"})
    heard = ReplayedFile(
        file=Path("x"),
        seconds=5.0,
        sounds=tuple(sound(name) for name in ("car_horn", "dog_bark", "cough", "cough")),
        error=None,
    )
    assert [each.profile for each in false_alarms(recording, heard)] == ["cough", "cough"]


def test_rates_name_the_quiet_ones_too() -> None:
    """A profile without a false alarm still has an upper bound."""
    found = rates({"cough": 3}, {"siren": 2.0, "cough": 2.0})
    assert list(found) == ["cough", "siren"]
    assert found["cough"].value == 1.5
    assert found["siren"].value == 0.0
    assert found["siren"].high > 1.0
