"""What the benchmarks of promises, scores, reports and feedback count."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from benchmarks import mixed_hours as mixing
from benchmarks.calibration import calibration_error, reliability
from benchmarks.dataset import Recording
from benchmarks.encoders import LogMelStatistics
from benchmarks.estimates import poisson_rate
from benchmarks.feedback import WRONG_EVENTS, wrong_events
from benchmarks.mixed_hours import MixedHours, mixed_hours
from benchmarks.promise import KEPT_WITHIN, Kept, count_events
from detectors.types import HOP_S
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Detector, Embedded, Profile

if TYPE_CHECKING:
    from pathlib import Path


def _profile(name: str = "bell@1@taught") -> Profile:
    """A profile that hears whatever has much of the first dimension."""
    nothing = np.zeros((0, 4), np.float32)
    head = Head(weights=np.array([10, 0, 0, 0], np.float32), bias=-5.0)
    return Profile(
        name=name,
        description="",
        tags=(),
        kind="impulse",
        threshold_override=None,
        examples=(),
        embedded=Embedded(positives=nothing, positive_example=np.zeros(0, np.int32), negatives=nothing),
        detector=Detector(encoder="test", head=head, threshold=0.9),
    )


def _heard(loud: list[tuple[int, int]], may_contain: list[frozenset[str]]) -> MixedHours:
    hops = np.zeros((len(may_contain), 100, 4), np.float16)
    for piece, hop in loud:
        hops[piece, hop, 0] = 1.0
    return MixedHours(
        hops=hops,
        level_dbfs=np.full(hops.shape[:2], -30.0, np.float32),
        may_contain=tuple(may_contain),
        different_minutes=1.0,
    )


def test_what_a_piece_may_really_hold_is_not_counted() -> None:
    """Neither its events nor its time."""
    heard = _heard([(0, 20), (0, 60), (1, 30), (2, 10)], [frozenset(), frozenset({"bell"}), frozenset()])
    (events,), (hours,) = count_events([_profile()], heard)
    assert events == 3
    assert hours == pytest.approx(2 * 100 * HOP_S / 3_600)


def test_a_promise_is_kept_within_twice() -> None:
    """Not a decimal more."""

    def kept(events: int) -> bool:
        rate = poisson_rate(events, 10.0)
        return Kept(
            sound="bell",
            taught=True,
            promised_per_hour=0.1,
            events=events,
            hours=10.0,
            observed_per_hour=rate,
        ).kept

    assert KEPT_WITHIN == 2.0
    assert kept(2)
    assert not kept(3)


def test_scores_that_are_probabilities_have_no_error() -> None:
    """And those that always say a half have one of what they are off."""
    rng = np.random.default_rng(0)
    scores = rng.random(100_000)
    holds = rng.random(100_000) < scores
    weights = np.ones(100_000)
    assert calibration_error(reliability(scores, holds, weights)) < 0.01
    flat = reliability(np.full(100_000, 0.5), rng.random(100_000) < 0.1, weights)
    assert calibration_error(flat) == pytest.approx(0.4, abs=0.01)


def test_the_likeliest_mistakes_come_from_different_pieces() -> None:
    """Ten of them, and the level that the least one reaches."""
    heard = _heard([(piece, 50) for piece in range(12)], [frozenset()] * 15)
    events, lowest = wrong_events(replace(_profile(), name="bell"), heard.hops)
    assert len(events) == WRONG_EVENTS
    assert lowest == pytest.approx(5.0)


def test_mixed_hours_are_the_same_each_time_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By seed; what a pair may hold is what either may."""
    monkeypatch.setattr(mixing, "RESULTS", tmp_path)
    rows = []
    for number, holds in enumerate(("birds", "speech")):
        path = tmp_path / f"place{number}.wav"
        soundfile.write(path, np.random.default_rng(number).normal(scale=0.05, size=16_000 * 40), 16_000)
        columns = {"path": path.name, "label": "park", "source": "moodist", "may_contain": holds}
        rows.append(Recording(file=path, columns=columns))
    encoder = LogMelStatistics()
    first = mixed_hours(rows, encoder, hours=0.02, seed=1)
    again = mixed_hours(rows, encoder, hours=0.02, seed=1)
    assert first.hours == pytest.approx(0.02, abs=0.01)
    assert np.array_equal(first.hops, again.hops)
    assert first.may_contain[0] == {"birds", "speech", "park"}
    assert first.different_minutes == pytest.approx(80 / 60, rel=0.01)
    assert len(list((tmp_path / "mixed_hours").iterdir())) == 1
    other = mixed_hours(rows, encoder, hours=0.02, seed=2)
    assert not np.array_equal(first.hops, other.hops)
