"""The logistic head."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot_profiles.heads import Head, Scaling, fit_head


def _cloud(seed: int, count: int, centre: float) -> np.ndarray:
    points = np.random.default_rng(seed).normal(size=(count, 12)) + centre
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


def _fit(positives: np.ndarray, negatives: np.ndarray) -> Head:
    weights = np.ones(len(positives), np.float32)
    return fit_head(positives, weights, negatives, Scaling.of(negatives))


def test_it_tells_two_clouds_apart() -> None:
    """Points that were not fitted fall on their side."""
    head = _fit(_cloud(0, 20, 0.8), _cloud(1, 400, -0.3))
    assert (head.logits(_cloud(2, 50, 0.8)) > 0).mean() > 0.9
    assert (head.logits(_cloud(3, 200, -0.3)) < 0).mean() > 0.9


@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 1_000))
def test_the_order_of_examples_does_not_matter(seed: int) -> None:
    """The loss has one minimum: shuffled rows lead to it too."""
    positives, negatives = _cloud(0, 15, 0.5), _cloud(1, 120, -0.1)
    shuffle = np.random.default_rng(seed)
    first = _fit(positives, negatives)
    second = _fit(shuffle.permutation(positives), shuffle.permutation(negatives))
    assert np.allclose(first.logits(positives), second.logits(positives), atol=2e-2)


def test_an_example_counts_by_its_weight() -> None:
    """A row of weight two is two rows."""
    positives, negatives = _cloud(0, 8, 0.5), _cloud(1, 80, -0.1)
    scaling = Scaling.of(negatives)
    weights = np.ones(8, np.float32)
    weights[0] = 2.0
    weighted = fit_head(positives, weights, negatives, scaling)
    repeated = fit_head(
        np.concatenate([positives[:1], positives]), np.ones(9, np.float32), negatives, scaling
    )
    assert np.allclose(weighted.logits(positives), repeated.logits(positives), atol=1e-3)


def test_one_positive_is_enough_to_fit() -> None:
    """A single embedding gives a head that ranks it above the background."""
    negatives = _cloud(1, 200, -0.1)
    positive = _cloud(5, 1, 0.7)
    head = _fit(positive, negatives)
    assert head.logits(positive)[0] > head.logits(negatives).max()


def test_scaling_survives_a_dead_dimension() -> None:
    """A dimension that never moves neither divides by zero nor decides."""
    negatives = _cloud(1, 50, 0.0)
    negatives[:, 3] = 0.25
    assert Scaling.of(negatives).spread[3] == 1.0
    assert np.isfinite(_fit(_cloud(0, 5, 0.5), negatives).weights).all()
