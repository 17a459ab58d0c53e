"""Intervals against published values."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.estimates import auroc, mean_of, percentile, poisson_rate, wilson


def test_wilson_interval() -> None:
    """Eight of ten: 0.49 to 0.94."""
    estimate = wilson(8, 10)
    assert (estimate.low, estimate.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize(("hits", "low", "high"), [(0, 0.0, 0.2775), (10, 0.7225, 1.0)])
def test_wilson_interval_at_the_ends(hits: int, low: float, high: float) -> None:
    """All or none of ten still leaves room."""
    estimate = wilson(hits, 10)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-4)


def test_no_event_bounds_a_rate() -> None:
    """Nothing in four hours: at most 3.69 in the time, two-sided."""
    estimate = poisson_rate(0, 4.0)
    assert (estimate.value, estimate.low) == (0.0, 0.0)
    assert estimate.high == pytest.approx(3.6889 / 4.0, abs=1e-4)


def test_poisson_interval() -> None:
    """Ten events: 4.80 to 18.39, Garwood's classical example."""
    estimate = poisson_rate(10, 1.0)
    assert (estimate.low, estimate.high) == pytest.approx((4.7954, 18.3904), abs=1e-4)


def test_auroc_counts_ties_half() -> None:
    """One pair won, one tied, two lost."""
    assert auroc(np.array([0.5, 0.2]), np.array([0.5, 0.3])) == pytest.approx(1.5 / 4)


def test_mean_and_percentile() -> None:
    """Two draws of 0 and 2: mean 1, standard error 1."""
    estimate = mean_of(np.array([0.0, 2.0]))
    assert (estimate.mean, estimate.ci95) == pytest.approx((1.0, 1.96), abs=1e-3)
    assert percentile([1.0, 2.0, 3.0], 50) == 2.0
