"""Mixed hours of the training side: pairs of one fold, the same each time."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.types import DETECTION_RATE_HZ
from training import stock_hours
from training.recordings import Row
from training.stock_fitting import fold_of
from training.stock_hours import PIECE_S, mixed, mixed_clips, pairs


def _row(path: str, source: str, may_contain: tuple[str, ...]) -> Row:
    return Row(
        path=path,
        source=source,
        label="place",
        fold="",
        group=path,
        seconds=40.0,
        licence="CC0",
        ships=True,
        split="train",
        may_contain=may_contain,
        attribution="",
    )


ROWS = [_row(f"place{number}", "noixer", (f"sound_{number}",)) for number in range(12)] + [
    _row(f"talker{number}", "librispeech", ("speech",)) for number in range(12)
]


def test_both_recordings_of_a_piece_are_of_its_fold_and_the_first_is_a_place() -> None:
    """So that a head fitted without that fold has met neither; what may be in either may be in the piece."""
    by_path = {row.path: row for row in ROWS}
    found = list(pairs(ROWS))
    assert len({pair.row.path for pair in found}) == len(found) > 0
    for pair in found:
        first, second = by_path[pair.first], by_path[pair.second]
        assert first is not second
        assert fold_of(first) == fold_of(second) == fold_of(pair.row)
        assert first.source == "noixer"
        assert set(first.may_contain) | set(second.may_contain) == set(pair.row.may_contain)


def test_pieces_sound_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as they should, at levels that nothing clips at for long."""
    monkeypatch.setattr(stock_hours, "HOURS_A_FOLD", 2 * PIECE_S / 3_600.0)
    noise = np.random.default_rng(0).normal(scale=0.05, size=(len(ROWS), 40 * DETECTION_RATE_HZ))
    recordings = {row.path: (row, audio.astype(np.float32)) for row, audio in zip(ROWS, noise, strict=True)}
    first, again = list(mixed_clips(recordings)), list(mixed_clips(recordings))
    assert [clip.row.path for clip in first] == [clip.row.path for clip in again]
    assert all(np.array_equal(one.audio, other.audio) for one, other in zip(first, again, strict=True))
    assert {len(clip.audio) for clip in first} == {int(PIECE_S * DETECTION_RATE_HZ)}
    assert not any(clip.active.any() for clip in first)


def test_a_short_recording_fills_a_piece() -> None:
    """Again and again, as in the benchmark of promises."""
    rng = np.random.default_rng(0)
    short = rng.normal(scale=0.05, size=5 * DETECTION_RATE_HZ).astype(np.float32)
    assert len(mixed(short, short, rng)) == int(PIECE_S * DETECTION_RATE_HZ)
