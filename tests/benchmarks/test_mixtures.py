"""Mixtures hold what they say they hold."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from benchmarks.dataset import read_recordings
from benchmarks.mixtures import CannotMix, Recipe, cut_event, events_of, mixtures, mono, places_for
from detectors.types import DETECTION_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.dataset import Recording

RECIPE = Recipe(seconds=4.0)


@pytest.fixture
def rows(tmp_path: Path) -> list[Recording]:
    """Two clips of a beep in silence, and two places: a hiss, and one that may hold beeps."""
    rng = np.random.default_rng(1)
    beep = np.zeros(2 * DETECTION_RATE_HZ, np.float32)
    beep[8_000:14_000] = 0.5 * np.sin(np.arange(6_000) * 0.4)
    with (tmp_path / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        manifest = csv.writer(file)
        manifest.writerow(["path", "label", "may_contain"])
        for name, label, samples, may_contain in (
            ("1-77-A.wav", "beep", beep, ""),
            ("1-78-A.wav", "beep", beep, ""),
            ("hiss.wav", "hiss", 0.1 * rng.normal(size=6 * DETECTION_RATE_HZ).clip(-4, 4), "wind"),
            ("kitchen.wav", "kitchen", 0.1 * rng.normal(size=6 * DETECTION_RATE_HZ).clip(-4, 4), "beep"),
        ):
            soundfile.write(tmp_path / name, samples.astype(np.float32), DETECTION_RATE_HZ)
            manifest.writerow([name, label, may_contain])
    return read_recordings(tmp_path)


def test_events_stand_where_and_as_loud_as_stated(rows: list[Recording]) -> None:
    """The same seed without events gives the same beds: what differs is the event, at the stated ratio."""
    events, places = events_of(rows, "beep"), places_for(rows, "beep")
    with_events = list(mixtures(events, places, count=6, seed=3, recipe=Recipe(seconds=4.0, presence=1.0)))
    without = list(mixtures(events, places, count=6, seed=3, recipe=Recipe(seconds=4.0, presence=0.0)))
    for mixed, bed in zip(with_events, without, strict=True):
        assert bed.event is None
        assert bed.onset_s is None
        assert mixed.onset_s is not None
        assert mixed.end_s is not None
        first, last = round(mixed.onset_s * DETECTION_RATE_HZ), round(mixed.end_s * DETECTION_RATE_HZ)
        event = mixed.samples - bed.samples
        assert np.abs(event[:first]).max(initial=0.0) < 1e-6
        assert np.abs(event[last:]).max(initial=0.0) < 1e-6
        ratio = np.square(event[first:last]).mean() / np.square(bed.samples[first:last]).mean()
        assert 10 * np.log10(ratio) == pytest.approx(mixed.ebr_db, abs=0.1)


def test_a_seed_fixes_everything_and_a_number_does_not_depend_on_the_count(rows: list[Recording]) -> None:
    """The first of six is the first of two; ratios are taken in turn, and half of each hold an event."""
    events, places = events_of(rows, "beep"), places_for(rows, "beep")
    six = list(mixtures(events, places, count=60, seed=5, recipe=RECIPE))
    two = list(mixtures(events, places, count=2, seed=5, recipe=RECIPE))
    np.testing.assert_array_equal(two[1].samples, six[1].samples)
    assert [each.ebr_db for each in six[:4]] == [-6.0, 0.0, 6.0, -6.0]
    assert [each.event is not None for each in six[:6]] == [False] * 3 + [True] * 3
    assert sum(each.event is not None for each in six) == 30
    assert {each.place for each in six} == {"hiss.wav"}


def test_an_event_is_cut_out_of_its_clip(rows: list[Recording]) -> None:
    """Hardly any of the silence around the beep comes with it: 0.3 s, in which a real one would die away."""
    sound = cut_event(rows[0], 5.0)
    assert sound is not None
    assert len(sound) == pytest.approx(6_000 + 0.3 * DETECTION_RATE_HZ, abs=320)
    assert np.abs(sound[:5_900]).max() > 0.4
    assert np.abs(sound[6_100:]).max() < 0.01
    assert len(mono(rows[0])) == 2 * DETECTION_RATE_HZ
    assert rows[0].take == "1-77"


def test_rows_that_do_not_suffice_are_named(rows: list[Recording]) -> None:
    """No clip of the sound, or no place that is long enough."""
    events, places = events_of(rows, "beep"), places_for(rows, "beep")
    with pytest.raises(CannotMix, match="clip"):
        next(mixtures([], places, count=1, seed=0))
    with pytest.raises(CannotMix, match="30 s"):
        next(mixtures(events, places, count=1, seed=0))
