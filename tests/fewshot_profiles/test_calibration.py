"""From logits to probabilities and promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_profiles.calibration import (
    PRIOR,
    block_peaks,
    fit_platt,
    lasting,
    logit_at_rate,
    rate_at_logit,
    sigmoid,
)


def test_platt_scaling_recovers_the_line() -> None:
    """Logits that are twice too steep and shifted come back as probabilities under the prior."""
    rng = np.random.default_rng(0)
    true = rng.normal(-2.0, 3.0, size=200_000)
    sounding = rng.random(true.size) < sigmoid(true)
    raw = (2.0 * true + 1.0).astype(np.float32)
    positives, negatives = raw[sounding], raw[~sounding]
    platt = fit_platt(positives, np.ones(len(positives), np.float32), negatives)
    shift = np.log(PRIOR / (1 - PRIOR)) - np.log(sounding.mean() / (1 - sounding.mean()))
    assert platt.slope == pytest.approx(0.5, rel=0.05)
    assert platt.intercept == pytest.approx(-0.5 + shift, abs=0.15)


def test_a_single_positive_does_not_make_certainty() -> None:
    """Softened targets keep one example's probability below one."""
    negatives = np.random.default_rng(0).normal(-3, 1, 500).astype(np.float32)
    platt = fit_platt(np.array([4.0], np.float32), np.ones(1, np.float32), negatives)
    assert 0.4 < sigmoid(np.array(platt.slope * 4.0 + platt.intercept)) < 0.8


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=200), st.floats(0.01, 50.0))
def test_threshold_and_rate_are_inverse(peaks: list[float], per_hour: float) -> None:
    """The rate at the threshold for a rate is no higher than asked."""
    values = np.array(peaks, np.float32)
    threshold = logit_at_rate(values, 2.0, per_hour)
    assert rate_at_logit(values, 2.0, threshold) <= per_hour * 1.01 + 1e-9


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=100), st.floats(0.01, 5.0))
def test_a_stricter_promise_never_lowers_the_threshold(peaks: list[float], per_hour: float) -> None:
    """Half the false alarms ask for at least the same threshold."""
    values = np.array(peaks, np.float32)
    assert logit_at_rate(values, 1.0, per_hour / 2) >= logit_at_rate(values, 1.0, per_hour) - 1e-6


def test_the_tail_is_extrapolated() -> None:
    """Exponential peaks: ten times rarer lies ln 10 scales higher, though nothing so loud was heard."""
    peaks = np.random.default_rng(1).exponential(1.0, 3_000).astype(np.float32)
    once = logit_at_rate(peaks, 1.0, 1.0)
    rarely = logit_at_rate(peaks, 1.0, 0.1)
    assert rarely > peaks.max() - 1.5
    assert rarely - once == pytest.approx(np.log(10), rel=0.4)


def test_lasting_wants_enough_hops_of_its_window() -> None:
    """Three of the last five, the newest among them."""
    logits = np.array([0, 9, 9, 0, 9, 0, 0, 0], np.float32)
    assert lasting(logits, 3, 5).tolist() == [-np.inf, -np.inf, 0, 0, 9, 0, 0, 0]
    assert lasting(logits, 1, 1).tolist() == logits.tolist()


def test_block_peaks_keep_the_loudest_of_each_block() -> None:
    """The last, shorter block counts too."""
    assert block_peaks(np.array([1, 5, 2, 0, 3], np.float32), 2).tolist() == [5, 2, 3]
    assert block_peaks(np.zeros(0, np.float32), 2).tolist() == []
