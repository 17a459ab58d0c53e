"""What the owner marks moves a detector: as far as those sounds need, and as little as possible elsewhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Profile

MARGIN = 0.6
"""How far beyond the threshold, in logits, a marked sound is moved: the same sound in another room lands
about half of this from itself. More costs recall, and sets other sounds off."""

_KEEP_OWN = 10.0
"""What a change of one logit on the profile's own examples costs, on the average over them."""
_KEEP_BACKGROUND = 1.0
_RIDGE = 0.1
_INSIST = 100.0
_ROUNDS = 4


def corrected(
    profile: Profile,
    *,
    wrong: NDArray[np.float32],
    missed: NDArray[np.float32],
    bank: BackgroundBank,
) -> Head:
    """Return the profile's head with `wrong` rows [m, dim] below its threshold, `missed` [k, dim] above it.

    Least squares on the change of the head: it costs to move the logits of the profile's examples and of the
    background, and it costs more to leave a marked row where it is. The calibration stays what it was.
    """
    head = profile.detector.head
    edge = logit(profile.threshold)
    own = _features(profile.embedded.positives, bank)
    background = _features(bank.embeddings[:: max(1, len(bank.embeddings) // 4_000)], bank)
    keep = (
        _KEEP_OWN * _second_moment(own)
        + _KEEP_BACKGROUND * _second_moment(background)
        + _RIDGE * np.eye(own.shape[1])
    )
    rows = _features(np.concatenate([wrong, missed]), bank)
    target = np.concatenate([np.full(len(wrong), edge - MARGIN), np.full(len(missed), edge + MARGIN)])
    sign = np.concatenate([np.full(len(wrong), -1.0), np.full(len(missed), 1.0)])
    before = np.concatenate([head.logits(wrong), head.logits(missed)]).astype(np.float64)
    change: NDArray[np.float64] = np.zeros(rows.shape[1])
    asked = np.zeros(len(rows), dtype=bool)
    for _ in range(_ROUNDS):
        short = sign * (target - before - rows @ change) > 1e-6
        if not (short & ~asked).any():
            break
        asked |= short
        picked = rows[asked]
        pull = _INSIST * picked.T @ (target - before)[asked] / len(picked)
        step = np.linalg.solve(keep + _INSIST * picked.T @ picked / len(picked), pull)
        change = np.asarray(step, dtype=np.float64)
    weights = change[:-1] / bank.scaling.spread
    return Head(
        weights=(head.weights + weights).astype(np.float32),
        bias=float(head.bias + change[-1] - weights @ bank.scaling.mean),
    )


def still_over(head: Head, threshold: float, hops: NDArray[np.float32]) -> bool:
    """Tell whether any of these hops of one sound reaches the threshold."""
    return bool(len(hops) and head.logits(hops).max() >= logit(threshold))


def _features(rows: NDArray[np.float32], bank: BackgroundBank) -> NDArray[np.float64]:
    """Return standardised rows with a one behind them, which moves the bias."""
    scaled = ((rows - bank.scaling.mean) / bank.scaling.spread).astype(np.float64)
    return np.concatenate([scaled, np.ones((len(rows), 1))], axis=1)


def _second_moment(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    moment: NDArray[np.float64] = rows.T @ rows / max(1, len(rows))
    return moment
