"""The rare events benchmark, small: what teaches and what is asked about, and the shape of what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import rare_events
from benchmarks.dataset import read_recordings
from benchmarks.encoders import LogMelStatistics
from benchmarks.mixtures import events_of
from benchmarks.teaching import TooFewTakes, teach

if TYPE_CHECKING:
    from pathlib import Path

    from fewshot_profiles.bank import BackgroundBank


def test_what_taught_is_never_asked_about(household: Path, tiny_bank: BackgroundBank) -> None:
    """Examples come from different takes; the rest of the takes are left to ask about."""
    clips = events_of(read_recordings(household), "beep")
    taught = teach(clips, 3, np.random.default_rng(0), encoder=LogMelStatistics(), bank=tiny_bank)
    met = {clip.take for clip in taught.examples}
    assert len(taught.examples) == 3
    assert taught.profile.name == "beep"
    assert met.isdisjoint(clip.take for clip in taught.others)
    assert len(met) + len(taught.others) == 8


def test_a_sound_with_too_few_takes_is_refused(household: Path, tiny_bank: BackgroundBank) -> None:
    """Eight takes cannot teach eight and be asked about."""
    clips = events_of(read_recordings(household), "beep")
    with pytest.raises(TooFewTakes, match="8 takes of beep"):
        teach(clips, 8, np.random.default_rng(0), encoder=LogMelStatistics(), bank=tiny_bank)


def test_figures_by_class_ratio_and_draw(
    household: Path, tiny_bank: BackgroundBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every mixture is counted once, insertions have hours, and the promise of the threshold is said."""
    monkeypatch.setattr(rare_events, "read_stock", lambda _encoder: ((), tiny_bank))
    options = "--encoder log_mel --profile beep --profile hum --mixtures 24 --draws 2 --shots 3"
    more = ["--data", str(household), "--results", str(tmp_path / "results")]
    result = rare_events.main([*options.split(), *more])
    assert result["by_ebr"].keys() == {"-6", "+0", "+6"}
    assert result["classes"].keys() == {"beep", "hum"}
    for found in result["classes"].values():
        assert found["overall"]["hours"] == pytest.approx(24 * 30 / 3600)
        assert found["overall"]["events"] == sum(each["events"] for each in found["by_ebr"].values())
        assert len(found["f1_of_draws"]) == 2
    assert 0.0 <= result["f1"] <= 1.0
    assert result["asked_false_alarms_per_hour"] > 0
