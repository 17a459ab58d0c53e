"""From logits to a promise: probabilities, and the threshold that keeps a stated rate of false alarms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PRIOR = 0.05
"""The share of time that a score assumes a profile's sound to fill: 0.5 is where it is as likely as not there
in a recording in which one moment in twenty holds it."""

BLOCK_S = 2.0
"""False alarms closer together than this are one: the segmenter would report one sound."""

_TAIL_EVENTS = 20
"""How many of the loudest blocks carry the estimate of the tail beyond what was heard."""

_MAX_STEPS = 100
_SMALLEST_STEP = 1e-6
_SMALLEST_SPACING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """A straight line from raw logits to logits that mean a probability."""

    slope: float
    intercept: float


def fit_platt(
    positives: NDArray[np.float32],
    positive_weights: NDArray[np.float32],
    negatives: NDArray[np.float32],
) -> Platt:
    """Fit the line on held-out logits, weighing the sides by PRIOR; targets are softened as Platt's are."""
    count = max(float(np.square(positive_weights.sum()) / np.square(positive_weights).sum()), 1.0)
    logits = np.concatenate([positives, negatives]).astype(np.float64)
    targets = np.full(len(logits), 1.0 / (len(negatives) + 2.0))
    targets[: len(positives)] = (count + 1.0) / (count + 2.0)
    weights = np.full(len(logits), (1.0 - PRIOR) / len(negatives))
    weights[: len(positives)] = PRIOR * positive_weights / positive_weights.sum()
    centre, spread = float(logits.mean()), float(logits.std()) or 1.0
    slope, intercept = _newton_line((logits - centre) / spread, targets, weights)
    return Platt(slope=slope / spread, intercept=intercept - slope / spread * centre)


def _newton_line(
    values: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[float, float]:
    """Minimise the weighted cross entropy of sigmoid(slope * value + intercept)."""
    design = np.stack([values, np.ones_like(values)], axis=1)

    def loss(line: NDArray[np.float64]) -> float:
        logits = design @ line
        return float(weights @ (np.logaddexp(0.0, logits) - targets * logits))

    line = np.array([1.0, 0.0])
    for _ in range(_MAX_STEPS):
        probabilities = sigmoid(design @ line)
        gradient = design.T @ (weights * (probabilities - targets))
        curvature = weights * probabilities * (1.0 - probabilities)
        step = np.linalg.solve((design * curvature[:, None]).T @ design + 1e-9 * np.eye(2), gradient)
        while np.abs(step).max() > _SMALLEST_STEP and loss(line - step) > loss(line):
            step = step / 2.0
        line = line - step
        if np.abs(step).max() <= _SMALLEST_STEP:
            break
    return float(line[0]), float(line[1])


def sigmoid(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Turn logits into probabilities, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


def logit(probability: float) -> float:
    """Turn a probability into its logit."""
    return float(np.log(probability) - np.log1p(-probability))


def lasting(logits: NDArray[np.float32], needed: int, window: int) -> NDArray[np.float32]:
    """Return, for each hop [n], the logit that it and `needed` of the last `window` hops reach."""
    if needed == 1:
        return logits
    padded = np.concatenate([np.full(window - 1, -np.inf, dtype=np.float32), logits])
    views = np.lib.stride_tricks.sliding_window_view(padded, window)
    reached = np.sort(views, axis=1)[:, window - needed]
    return np.asarray(np.minimum(reached, logits), dtype=np.float32)


def block_peaks(logits: NDArray[np.float32], block_hops: int) -> NDArray[np.float32]:
    """Return the highest logit of each block of a hop sequence: blocks apart are events apart."""
    if not len(logits):
        return np.zeros(0, dtype=np.float32)
    padded = np.pad(logits, (0, -len(logits) % block_hops), constant_values=-np.inf)
    peaks: NDArray[np.float32] = padded.reshape(-1, block_hops).max(axis=1)
    return peaks


def logit_at_rate(
    peaks: NDArray[np.float32], hours: float, per_hour: float, counts: NDArray[np.float32] | None = None
) -> float:
    """Return the logit that background rises above `per_hour` times an hour.

    Each peak stands for `counts` of its kind, by default for itself. Within what was heard this is a rank;
    beyond it, the loudest blocks are taken to thin out exponentially.
    """
    tail = _tail(peaks, counts)
    allowed = max(per_hour * hours, 1e-9)
    if allowed >= tail.events:
        place = int(np.searchsorted(tail.heard, allowed, side="right"))
        return float(tail.ranked[min(place, len(tail.ranked) - 1)])
    return tail.base + tail.spacing * float(np.log(tail.events / allowed))


def rate_at_logit(
    peaks: NDArray[np.float32], hours: float, threshold: float, counts: NDArray[np.float32] | None = None
) -> float:
    """Return how often an hour background rises above `threshold`: the inverse of `logit_at_rate`."""
    tail = _tail(peaks, counts)
    if threshold > tail.base:
        return tail.events * float(np.exp(-(threshold - tail.base) / tail.spacing)) / hours
    above = int(np.count_nonzero(tail.ranked > threshold))
    return float(tail.heard[above - 1]) / hours if above else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tail:
    ranked: NDArray[np.float64]
    """The peaks from the highest down."""
    heard: NDArray[np.float64]
    """How many there are as high as each, or higher."""
    events: float
    """How many form the tail."""
    base: float
    """The peak after the tail."""
    spacing: float
    """The mean height of the tail over its base."""


def _tail(peaks: NDArray[np.float32], counts: NDArray[np.float32] | None) -> _Tail:
    order = np.argsort(-peaks.astype(np.float64), kind="stable")
    ranked = peaks.astype(np.float64)[order]
    each = np.ones(len(peaks)) if counts is None else counts.astype(np.float64)[order]
    heard = np.cumsum(each)
    size = max(1, min(int(np.searchsorted(heard, _TAIL_EVENTS)) + 1, len(ranked) - 1))
    base = float(ranked[min(size, len(ranked) - 1)])
    spacing = float(np.average(ranked[:size] - base, weights=each[:size]))
    return _Tail(
        ranked=ranked,
        heard=heard,
        events=float(heard[size - 1]),
        base=base,
        spacing=max(spacing, _SMALLEST_SPACING),
    )
