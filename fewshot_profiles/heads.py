"""The head of a profile: a linear decision on unit embeddings, fitted on the hub in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

L2 = 0.05
"""Strength of the ridge on standardised embeddings, where positives and negatives weigh one in total each."""

_MAX_NEWTON_STEPS = 25
_GRADIENT_TOLERANCE = 1e-5
_MAX_HALVINGS = 12
_NEGLIGIBLE_CURVATURE = 1e-3
"""Rows that bend the loss less than this part of the most bending one only cost time in the Hessian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A linear decision: the logit of an embedding is `embedding @ weights + bias`."""

    weights: NDArray[np.float32]
    """[dim]"""
    bias: float

    def logits(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one logit for each embedding [n, dim]."""
        return np.asarray(embeddings @ self.weights + np.float32(self.bias), dtype=np.float32)

    def scaled(self, slope: float, intercept: float) -> Head:
        """Return the head whose logit is `slope * logit + intercept`: how calibration folds in."""
        return Head(weights=self.weights * np.float32(slope), bias=slope * self.bias + intercept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What turns embeddings into comparable features: centre and spread of the background."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, embeddings: NDArray[np.float32]) -> Scaling:
        """Measure the background [n, dim]; a dimension that never moves keeps a spread of one."""
        spread = embeddings.std(axis=0)
        return cls(
            mean=embeddings.mean(axis=0).astype(np.float32),
            spread=np.where(spread > 1e-6, spread, 1.0).astype(np.float32),
        )


def fit_head(
    positives: NDArray[np.float32],
    positive_weights: NDArray[np.float32],
    negatives: NDArray[np.float32],
    scaling: Scaling,
    l2: float = L2,
    *,
    near: Head | None = None,
) -> Head:
    """Fit positives [p, dim] against negatives [n, dim]; each side weighs one in total.

    Newton's method on a strictly convex loss: the result does not depend on a seed or on the order of rows,
    nor on `near`, a head of almost the same rows, from which it is found sooner.
    """
    features = np.concatenate([positives, negatives]).astype(np.float32)
    features = (features - scaling.mean) / scaling.spread
    targets = np.zeros(len(features), dtype=np.float32)
    targets[: len(positives)] = 1.0
    weights = np.full(len(features), 1.0 / len(negatives), dtype=np.float32)
    weights[: len(positives)] = positive_weights / positive_weights.sum()
    start = np.zeros(features.shape[1] + 1)
    if near is not None:
        start[:-1] = near.weights * scaling.spread
        start[-1] = near.bias + near.weights @ scaling.mean
    solution = _newton(features, targets, weights, l2, start)
    coefficients = solution[:-1].astype(np.float32) / scaling.spread
    return Head(weights=coefficients, bias=float(solution[-1] - coefficients @ scaling.mean))


def prototype_head(
    positives: NDArray[np.float32], positive_weights: NDArray[np.float32], scaling: Scaling
) -> Head:
    """Return the direction from the middle of the background to the middle of the positives [p, dim].

    Every positive counts by its direction alone, and by its weight.
    """
    apart = positives - scaling.mean
    directions = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), np.float32(1e-9))
    middle = np.average(directions, axis=0, weights=positive_weights)
    weights = (middle / max(float(np.linalg.norm(middle)), 1e-9)).astype(np.float32)
    return Head(weights=weights, bias=-float(weights @ scaling.mean))


def blended(parts: list[tuple[float, Head]], background: NDArray[np.float32]) -> Head:
    """Return one head that decides as several together, each by its share of the spread on background."""
    total: Head | None = None
    for share, part in parts:
        spread = max(float(part.logits(background).std()), 1e-9)
        scaled = part.scaled(share / spread, 0.0)
        if total is None:
            total = scaled
        else:
            total = Head(weights=total.weights + scaled.weights, bias=total.bias + scaled.bias)
    assert total is not None
    return total


def _newton(
    features: NDArray[np.float32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    l2: float,
    solution: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Minimise the weighted logistic loss with a ridge on all but the last coefficient, the bias."""
    count, dim = features.shape
    design = np.concatenate([features, np.ones((count, 1), dtype=np.float32)], axis=1)
    ridge = np.full(dim + 1, l2)
    ridge[-1] = 1e-9
    loss = _loss(design, targets, weights, ridge, solution)
    for _ in range(_MAX_NEWTON_STEPS):
        logits = design @ solution.astype(np.float32)
        probabilities = _sigmoid(logits)
        gradient = design.T @ (weights * (probabilities - targets)) + ridge * solution
        if np.abs(gradient).max() < _GRADIENT_TOLERANCE:
            break
        curvature = weights * probabilities * (1.0 - probabilities)
        bending = curvature > _NEGLIGIBLE_CURVATURE * curvature.max()
        rows = design[bending]
        hessian = (rows.T @ (rows * curvature[bending, None])).astype(np.float64)
        hessian[np.diag_indices(dim + 1)] += ridge
        step = np.linalg.solve(hessian, gradient)
        for _ in range(_MAX_HALVINGS):
            candidate = solution - step
            candidate_loss = _loss(design, targets, weights, ridge, candidate)
            if candidate_loss <= loss:
                break
            step = step / 2
        else:
            break
        solution, loss = candidate, candidate_loss
    return solution


def _loss(
    design: NDArray[np.float32],
    targets: NDArray[np.float32],
    weights: NDArray[np.float32],
    ridge: NDArray[np.float64],
    solution: NDArray[np.float64],
) -> float:
    logits = design @ solution.astype(np.float32)
    likelihood = weights @ (np.logaddexp(np.float32(0), logits) - targets * logits)
    return float(likelihood) + 0.5 * float(ridge @ solution**2)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float32)
