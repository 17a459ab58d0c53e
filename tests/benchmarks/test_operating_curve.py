"""The operating curve, small: that its axes are what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import operating_curve
from benchmarks.operating_curve import RATES_PER_HOUR, Trialled, sum_up

if TYPE_CHECKING:
    from pathlib import Path

    from fewshot_profiles.bank import BackgroundBank


def test_points_are_means_over_draws_and_no_more_certain_than_one_draw() -> None:
    """Two draws of the same hours are not twice the hours."""
    trialled = [
        Trialled(sound="cow", rate_per_hour=rate, missed=missed, asked=10, false_alarms=alarms, hours=2.0)
        for rate in RATES_PER_HOUR
        for missed, alarms in ((2, 0), (4, 2))
    ]
    for point in sum_up(trialled, draws=2):
        assert point.hours == 2.0
        assert point.kept_per_hour.value == 0.5
        assert point.kept_per_hour.high == pytest.approx(5.572 / 2.0, abs=1e-3)
        assert point.missed.value == pytest.approx(0.3)


def test_a_wider_promise_never_hears_less(
    household: Path, tiny_bank: BackgroundBank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The curve falls: at more false alarms an hour, thresholds are lower and no clip more is missed."""
    monkeypatch.setattr(operating_curve, "read_stock", lambda _encoder: ((), tiny_bank))
    options = "--encoder log_mel --profile beep --profile hum --draws 1 --shots 3"
    result = operating_curve.main([*options.split(), "--data", str(household), "--results", str(tmp_path)])
    missed = [point["missed"]["value"] for point in result["curve"]]
    assert missed == sorted(missed, reverse=True)
    assert [point["asked_per_hour"] for point in result["curve"]] == list(RATES_PER_HOUR)
    assert result["curve"][0]["hours"] == pytest.approx(2 * 4 * 31 / 3600)
    assert result["sounds"].keys() == {"beep", "hum"}
