"""From embeddings to a calibrated detector, and what leaving each example out says about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.ambience import Ambience
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import fit_platt, lasting, sigmoid
from fewshot_profiles.heads import Head, blended, fit_head, prototype_head
from fewshot_profiles.profile import Kind, Rest
from fewshot_profiles.promise import FALSE_ALARMS_PER_HOUR, Background, background_of, events_in
from fewshot_profiles.resting import rest_of, standing_out

MOST_OCCURRENCES_PER_HOUR = 1.0
"""Moments of the home's past that score like the examples were probably the sound itself, unless they are
more frequent than this."""

PROTOTYPE_SHARE = 0.7
"""Of the decision; the rest is logistic regression against the background. Found on the validation side."""

_BANK_FOLDS = 3
_MAX_HELD_OUT = (
    10  # leave-one-out by groups of examples beyond this: the answer is as good, the wait is not longer
)
_SURELY_NOT = 1e-5
"""A threshold beyond this is no number that a score could reach or miss."""

_NEEDED: dict[Kind, tuple[int, int]] = {"impulse": (1, 1), "sustained": (3, 5)}
"""Of so many hops so many must reach the threshold: what the segmenter asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Positives:
    """Embeddings of the sound itself."""

    hops: NDArray[np.float32]
    """[n, dim]"""
    example: NDArray[np.int32]
    """[n], which example each is from, counted from 0"""
    variant: NDArray[np.int32]
    """[n], 0 for what was heard as recorded, else which variation of it"""

    @property
    def examples(self) -> int:
        """How many examples there are."""
        return int(self.example.max()) + 1

    @property
    def plain(self) -> NDArray[np.bool_]:
        """[n], whether it was heard as recorded."""
        return np.asarray(self.variant == 0)

    def weights(self) -> NDArray[np.float32]:
        """Each example counts the same, however long it is."""
        counts = np.bincount(self.example)
        return np.asarray(1.0 / counts[self.example], dtype=np.float32)

    def where(self, keep: NDArray[np.bool_]) -> Positives:
        """Return the chosen rows."""
        return Positives(hops=self.hops[keep], example=self.example[keep], variant=self.variant[keep])

    def peaks(self, logits: NDArray[np.float32], kind: Kind) -> tuple[NDArray[np.float32], ...]:
        """Return for each example the peaks of what was recorded (first) and of its variations.

        A peak is what the segmenter would act on: enough hops in its window, or all there are of a short one.
        """
        needed, window = _NEEDED[kind]
        found = []
        for number in range(self.examples):
            mine = self.example == number
            takes = [logits[mine & (self.variant == take)] for take in np.unique(self.variant[mine])]
            found.append(np.array([lasting(t, min(needed, len(t)), window).max() for t in takes], np.float32))
        return tuple(found)

    def typical(self, logits: NDArray[np.float32]) -> tuple[float, ...]:
        """Return for each example the logit that a quarter of what was recorded reaches."""
        return tuple(
            float(np.quantile(logits[(self.example == number) & self.plain], 0.75))
            for number in range(self.examples)
        )


@dataclass(frozen=True, slots=True)
class _Pair:
    regression: Head
    both: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A calibrated head, its threshold, and what held-out data say of both."""

    head: Head
    threshold: float
    rest: Rest
    background: Background
    """What the head makes of bank and home where it has not seen them."""
    out_of_quiet: NDArray[np.float32]
    """Its logits for the same pieces of the bank in streams that heard nothing before, as examples are."""
    occurrences: float
    """Moments of the home's past that sounded like the examples, and are not part of the background."""
    held_out: tuple[NDArray[np.float32], ...] | None
    """For each example the peak logits of its takes under a head that has not seen it; None with one."""
    typical: tuple[float, ...] | None
    """For each example the logit that a quarter of it reaches under that head."""

    @property
    def held_out_scores(self) -> NDArray[np.float64] | None:
        """[examples], the score of each as it was recorded, under a head that has not seen it."""
        if self.held_out is None:
            return None
        return sigmoid(np.array([takes[0] for takes in self.held_out]))


def fit_detector(
    positives: Positives,
    negatives: NDArray[np.float32],
    bank: BackgroundBank,
    false_alarms_per_hour: float | None,
    *,
    kind: Kind,
    home: Ambience | None = None,
) -> Fit:
    """Fit positives against the bank, the home's sound and `negatives` [m, dim]; calibrate on held-out rows.

    The threshold keeps the stated rate on the bank and, once it is known, in this home: the stricter counts.
    None is FALSE_ALARMS_PER_HOUR, which nobody has stated.
    """
    head = _fit(positives, np.concatenate([bank.embeddings, negatives]), bank)
    ordinary, occurrences = _without_occurrences(home, head.both, positives, kind)
    held_background = _held_out_background(positives, negatives, bank, ordinary, head)
    against = np.concatenate([bank.embeddings, negatives])
    if ordinary is not None:
        against = np.concatenate([against, ordinary.embeddings])
        head = _fit(positives, against, bank, head)
    held_out = _held_out_positives(positives, against, bank, head)
    own = head.both.logits(positives.hops) if held_out is None else held_out
    plain = positives.plain
    rows = len(bank.embeddings)
    rest = rest_of(held_background[:rows], bank)
    cold = held_background[:rows].copy()
    held_background[:rows] = standing_out(cold, rest, bank)
    platt = fit_platt(own[plain], positives.where(plain).weights(), held_background[:rows])
    scale, shift = np.float32(platt.slope), np.float32(platt.intercept)
    calibrated = scale * held_background + shift
    background = background_of(calibrated[:rows], calibrated[rows:], bank=bank, home=ordinary, kind=kind)
    stated = false_alarms_per_hour is not None
    per_hour = FALSE_ALARMS_PER_HOUR if false_alarms_per_hour is None else false_alarms_per_hour
    threshold = sigmoid(np.array(background.logit_for(per_hour, stated=stated)))
    return Fit(
        head=head.both.scaled(platt.slope, platt.intercept),
        threshold=float(np.clip(threshold, _SURELY_NOT, 1.0 - _SURELY_NOT)),
        # Examples that score under the background turn the line over: a spread stays one.
        rest=Rest(mean=platt.slope * rest.mean + platt.intercept, spread=abs(platt.slope) * rest.spread),
        background=background,
        out_of_quiet=events_in(scale * cold + shift, bank, kind),
        occurrences=occurrences,
        held_out=None if held_out is None else positives.peaks(scale * held_out + shift, kind),
        typical=None if held_out is None else positives.typical(scale * held_out + shift),
    )


def _without_occurrences(
    home: Ambience | None, head: Head, positives: Positives, kind: Kind
) -> tuple[Ambience | None, float]:
    """Return the home's rows without those that were probably the sound itself, and how many these were."""
    if home is None or not len(home):
        return None, 0.0
    usual = np.median([takes[0] for takes in positives.peaks(head.logits(positives.hops), kind)])
    alike = head.logits(home.embeddings) >= usual
    count = float(home.stands_for[alike].sum())
    if not count or count > MOST_OCCURRENCES_PER_HOUR * home.hours:
        return home, 0.0
    return home.where(~alike), count


def _fit(
    positives: Positives, negatives: NDArray[np.float32], bank: BackgroundBank, near: _Pair | None = None
) -> _Pair:
    """Fit both heads. The prototype is what few examples support; the regression knows what is near it."""
    plain = positives.where(positives.plain)
    regression = fit_head(
        plain.hops,
        plain.weights(),
        negatives,
        bank.scaling,
        near=None if near is None else near.regression,
    )
    prototype = prototype_head(plain.hops, plain.weights(), bank.scaling)
    parts = [(PROTOTYPE_SHARE, prototype), (1.0 - PROTOTYPE_SHARE, regression)]
    return _Pair(regression, blended(parts, bank.embeddings))


def _held_out_background(
    positives: Positives,
    negatives: NDArray[np.float32],
    bank: BackgroundBank,
    home: Ambience | None,
    near: _Pair,
) -> NDArray[np.float32]:
    """Score every row of the bank, then of the home, with a head fitted without its recording or hour."""
    rows, fold = bank.embeddings, bank.recording % _BANK_FOLDS
    if home is not None:
        rows = np.concatenate([rows, home.embeddings])
        fold = np.concatenate([fold, (home.at_s // 3_600.0).astype(np.int64) % _BANK_FOLDS])
    logits = np.zeros(len(rows), dtype=np.float32)
    for number in np.unique(fold):
        held = fold == number
        head = _fit(positives, np.concatenate([rows[~held], negatives]), bank, near)
        logits[held] = head.both.logits(rows[held])
    return logits


def _held_out_positives(
    positives: Positives, against: NDArray[np.float32], bank: BackgroundBank, near: _Pair
) -> NDArray[np.float32] | None:
    """Score every example with a head that was fitted without it; None with one example."""
    if positives.examples < 2:
        return None
    fold = positives.example % _MAX_HELD_OUT
    logits = np.zeros(len(positives.hops), dtype=np.float32)
    for number in np.unique(fold):
        held = fold == number
        fitted = _fit(positives.where(~held), against, bank, near).both
        logits[held] = fitted.logits(positives.hops[held])
    return logits
