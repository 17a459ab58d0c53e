"""From embeddings to a calibrated detector, and what leaving each example out says about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import fit_platt, logit_at_rate, rate_at_logit, sigmoid
from fewshot_profiles.heads import Head, fit_head

_BANK_FOLDS = 3
_MAX_HELD_OUT = (
    10  # leave-one-out by groups of examples beyond this: the answer is as good, the wait is not longer
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Positives:
    """Embeddings of the sound itself."""

    hops: NDArray[np.float32]
    """[n, dim]"""
    example: NDArray[np.int32]
    """[n], which example each is from, counted from 0"""
    plain: NDArray[np.bool_]
    """[n], whether it was heard as recorded, or varied by us"""

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.example.max()) + 1

    def weights(self) -> NDArray[np.float32]:
        """Each example counts the same, however long it is."""
        counts = np.bincount(self.example)
        return np.asarray(1.0 / counts[self.example], dtype=np.float32)

    def where(self, keep: NDArray[np.bool_]) -> Positives:
        """Return the chosen rows."""
        return Positives(hops=self.hops[keep], example=self.example[keep], plain=self.plain[keep])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A calibrated head, its threshold, and what held-out data say of both."""

    head: Head
    threshold: float
    false_alarms_per_hour: float
    """Expected on the background bank at this threshold."""
    held_out_scores: NDArray[np.float64] | None
    """[examples], the best score of each under a head that has not seen it; None with one example."""
    background_scores: NDArray[np.float64]
    """[ambient rows of the bank], held out too."""


def fit_detector(
    positives: Positives,
    negatives: NDArray[np.float32],
    bank: BackgroundBank,
    false_alarms_per_hour: float,
) -> Fit:
    """Fit positives against the bank and `negatives` [m, dim]; calibrate on what each head has not seen."""
    background = _held_out_background(positives, negatives, bank)
    held_out = _held_out_positives(positives, negatives, bank)
    head = _fit(positives, np.concatenate([bank.embeddings, negatives]), bank)
    own = head.logits(positives.hops) if held_out is None else held_out
    plain = positives.plain
    platt = fit_platt(own[plain], positives.where(plain).weights(), background)
    calibrated = platt.slope * background + platt.intercept
    ambient = calibrated[bank.ambient]
    threshold_logit = logit_at_rate(ambient, bank.hours, false_alarms_per_hour)
    scores = None
    if held_out is not None:
        scores = np.array(
            [
                sigmoid(platt.slope * held_out[plain & (positives.example == number)] + platt.intercept).max()
                for number in range(positives.examples)
            ]
        )
    return Fit(
        head=head.scaled(platt.slope, platt.intercept),
        threshold=float(sigmoid(np.array(threshold_logit))),
        false_alarms_per_hour=rate_at_logit(ambient, bank.hours, threshold_logit),
        held_out_scores=scores,
        background_scores=sigmoid(ambient),
    )


def _fit(positives: Positives, negatives: NDArray[np.float32], bank: BackgroundBank) -> Head:
    return fit_head(positives.hops, positives.weights(), negatives, bank.scaling)


def _held_out_background(
    positives: Positives, negatives: NDArray[np.float32], bank: BackgroundBank
) -> NDArray[np.float32]:
    """Score every row of the bank with a head that was fitted without the row's recording."""
    fold = bank.recording % _BANK_FOLDS
    logits = np.zeros(len(bank.embeddings), dtype=np.float32)
    for number in np.unique(fold):
        held = fold == number
        head = _fit(positives, np.concatenate([bank.embeddings[~held], negatives]), bank)
        logits[held] = head.logits(bank.embeddings[held])
    return logits


def _held_out_positives(
    positives: Positives, negatives: NDArray[np.float32], bank: BackgroundBank
) -> NDArray[np.float32] | None:
    """Score every example with a head that was fitted without it; None with one example."""
    if positives.examples < 2:
        return None
    against = np.concatenate([bank.embeddings, negatives])
    fold = positives.example % _MAX_HELD_OUT
    logits = np.zeros(len(positives.hops), dtype=np.float32)
    for number in np.unique(fold):
        held = fold == number
        logits[held] = _fit(positives.where(~held), against, bank).logits(positives.hops[held])
    return logits
