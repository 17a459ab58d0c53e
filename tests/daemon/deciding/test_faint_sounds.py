"""Sounds that were nearly recognised."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from daemon.deciding.faint_sounds import FaintSound, FaintSounds
from daemon.deciding.journal import FILE_NAME, RulesJournal, read_faint
from daemon.pipeline import StreamReading
from tests.rules.sounds import sound

if TYPE_CHECKING:
    from pathlib import Path


def reading(*top: tuple[str, float], level_dbfs: float = -40.0) -> dict[str, StreamReading]:
    return {
        "hall": StreamReading(
            level_dbfs=level_dbfs,
            noise_floor_dbfs=-60.0,
            gate_open=True,
            speech=False,
            top=top,
            hops=1,
            encoder_hops=1,
        )
    }


def test_the_highest_score_of_what_was_not_recognised_is_noted() -> None:
    """Once it is over, and only what was near."""
    noted: list[FaintSound] = []
    faint = FaintSounds(noted.append)
    for number, score in enumerate((0.2, 0.5, 0.6, 0.4, 0.1)):
        faint.readings(reading(("siren", score), ("rain", 0.1)), 100.0 + number * 0.1)
    assert noted == []
    faint.readings(reading(), 103.0)
    assert noted == [FaintSound(at=100.2, stream="hall", profile="siren", score=0.6, level_dbfs=-40.0)]


def test_what_was_recognised_was_not_faint() -> None:
    """Nor what it scores while it goes on."""
    noted: list[FaintSound] = []
    faint = FaintSounds(noted.append)
    faint.readings(reading(("siren", 0.5)), 100.0)
    faint.on_event(sound(100.0, profile="siren", stream="hall"))
    faint.readings(reading(("siren", 0.9)), 100.1)
    faint.readings(reading(), 105.0)
    faint.on_event(sound(100.0, profile="siren", stream="hall", ended_at=106.0))
    faint.readings(reading(("siren", 0.4)), 107.0)
    faint.readings(reading(), 110.0)
    assert [each.at for each in noted] == [107.0]


def test_they_are_written_down(tmp_path: Path) -> None:
    """Digital silence included."""
    journal = RulesJournal(tmp_path / FILE_NAME)
    faint = [
        FaintSound(at=at, stream="hall", profile="siren", score=0.5, level_dbfs=level)
        for at, level in ((1.0, -40.0), (5.0, -math.inf), (9.0, -40.0))
    ]
    for each in faint:
        journal.faint(each)
    journal.flush()
    assert read_faint(tmp_path / FILE_NAME, since=0.0, until=6.0) == faint[:2]
