"""Estimates with their uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Z_95 = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean, and half the width of its 95 % interval."""

    mean: float
    ci95: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.ci95:.3f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A value with a 95 % interval that need not be symmetric."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


def mean_of(values: NDArray[np.float64]) -> Estimate:
    """Estimate the mean of independent draws."""
    spread = float(values.std(ddof=1)) if values.size > 1 else 0.0
    return Estimate(mean=float(values.mean()), ci95=Z_95 * spread / sqrt(values.size))


def wilson(hits: float, trials: float) -> Interval:
    """Estimate a share: Wilson's score interval, which holds for few trials and near 0 and 1.

    Counts may be means over repetitions, which are no further trials.
    """
    if trials == 0:
        return Interval(value=float("nan"), low=0.0, high=1.0)
    share, z2 = hits / trials, Z_95**2
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    return Interval(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def poisson_rate(count: float, exposure: float) -> Interval:
    """Estimate events per unit of exposure: Garwood's exact interval; none in T bounds the rate at 3.7/T.

    A count may be a mean over repetitions in the same exposure.
    """
    low = float(stats.chi2.ppf(0.025, 2 * count)) / 2 if count else 0.0
    high = float(stats.chi2.ppf(0.975, 2 * (count + 1))) / 2
    return Interval(value=count / exposure, low=low / exposure, high=high / exposure)


def auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """Return the chance that a known one scores above an unknown one; ties count half."""
    order = np.sort(unknown)
    below = np.searchsorted(order, known, side="left")
    not_above = np.searchsorted(order, known, side="right")
    return float((below + not_above).mean() / (2 * order.size))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the values do not exceed, interpolated."""
    return float(np.percentile(np.asarray(values), percent))
