"""sed_eval as the benchmarks use it."""

from __future__ import annotations

import pytest

from benchmarks.scoring import Judged, Span, score


def span(onset_s: float) -> Span:
    return Span(label="cow", onset_s=onset_s, end_s=onset_s + 1.0)


def piece(name: str, *, there: list[float], heard: list[float]) -> Judged:
    return Judged(
        name=name,
        seconds=1_800.0,
        there=tuple(span(onset_s) for onset_s in there),
        heard=tuple(span(onset_s) for onset_s in heard),
    )


def test_an_onset_within_half_a_second_is_right() -> None:
    """Two of three are: one 0.4 s late, one 0.4 s early; the one 0.6 s late is a miss and an insertion."""
    pieces = [
        piece("a", there=[1.0], heard=[1.4]),
        piece("b", there=[9.0], heard=[8.6]),
        piece("c", there=[5.0], heard=[5.6]),
        piece("d", there=[], heard=[]),
    ]
    found = score(pieces, ["cow"])
    assert (found.events, found.insertions, found.hours) == (3, 1, 2.0)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.deletion_rate == found.insertion_rate == pytest.approx(1 / 3)
    assert found.error_rate == pytest.approx(2 / 3)
    assert found.insertions_per_hour.value == 0.5


def test_hearing_nothing_scores_zero() -> None:
    """Rather than not a number: every event is a deletion."""
    found = score([piece("a", there=[1.0], heard=[])], ["cow"])
    assert (found.f1, found.precision) == (0.0, 0.0)
    assert found.error_rate == pytest.approx(1.0)


def test_pieces_without_any_event_cannot_be_scored() -> None:
    """A rate of errors per event would mean nothing."""
    with pytest.raises(ValueError, match="no event"):
        score([piece("a", there=[], heard=[2.0])], ["cow"])
