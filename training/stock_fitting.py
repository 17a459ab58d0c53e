"""Heads of the stock profiles, judged on what each has not seen, and thresholds under one budget."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.segmenter_plan import SegmenterSettings
from detectors.types import HOP_S
from fewshot_profiles.calibration import block_peaks, fit_platt, lasting
from fewshot_profiles.heads import Head, Scaling, fit_head
from fewshot_profiles.profile import Tail
from training.stock_catalogue import HOURS_SOURCES, Stock, profiles_in
from training.stock_embeddings import PIECE_HOPS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.recordings import Row
    from training.stock_embeddings import Heard

FOLDS = 3
RIDGE = 3.0
"""Far stronger than for an owner's examples: what twenty strangers' recordings have in common is little."""

RANDOM_NEGATIVES = 5_000
HARD_NEGATIVES = 5_000
LOWEST_NEGATIVE_DBFS = -75.0
BLOCK_HOPS = {"impulse": 25, "sustained": PIECE_HOPS}
"""False alarms closer together are one event: 2 s for an impulse; a sustained one lasts as its cause does."""

SOFTNESS = 0.3
"""How far, in logits, the same sound lands from itself in another room."""

FEW_CLIPS = 10
"""With fewer recordings than this, synthesised sounds join them in judging recall."""

SPREAD = 2.0
"""How far apart, in logits, two recordings of the same thing land."""

SPREAD_OF_SYNTHESIS = 8.0
"""How far real recordings land from sounds of our own, which are all too sure of themselves."""

LOWEST_RECALL = 0.4
DEAREST_PER_HOUR = 1.2
"""A threshold that costs one profile more expected false alarms is none; one that hears fewer real clips is
none either, unless there is no other."""

_GRID = np.arange(-4.0, 12.0, 0.1)
"""Logits that a threshold could be."""

ONSET_HOPS = {"impulse": 6, "sustained": 25}
"""How soon after its onset a sound has to be told: an impulse at once, a sustained one is traced back."""

OTHER_SOUNDS_LAST = 5.0
"""The clips of other sounds are what a home holds in so many times their length: some 140 an hour. Found, as
MIXED_COUNTS, by fitting on two thirds of the training side and counting on places of the other third."""

MIXED_COUNTS = 4.0
"""So many times as often as in mixed hours is a profile wrong in a home that nobody has recorded."""

LEAST_MIXED_HOURS = 0.5
"""Hardly any place is free of speech: the little that there is does not stand for more than this."""

TAIL_PEAKS = 256

EARLY_WORTH = 4.0
"""How much more a hop of an impulse counts that lies within ONSET_HOPS of its onset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One profile's calibrated head, and the logits with which it meets sounds that it was not fitted on."""

    stock: Stock
    head: Head
    background: NDArray[np.float32]
    """Peaks of blocks of ordinary hours."""
    hours: float
    train_clips: NDArray[np.float32]
    """The lasting peak at the onset of each held-out clip of its sound."""
    spread: float
    """How far, in logits, another clip may land from these."""
    real_clips: NDArray[np.float32]
    """Those of `train_clips` that somebody recorded."""
    valid_clips: NDArray[np.float32]
    valid_background: NDArray[np.float32]
    """The part of `background` that is `split=valid`."""
    valid_hours: float
    tail: Tail
    """The worst of mixed hours and of other sounds, all of `split=train`."""

    def rate(self, threshold: float) -> float:
        """Return the expected false alarms an hour at a logit.

        Each block counts by how far it is over or under: what was nearly a false alarm here is one elsewhere.
        """
        over = 0.5 * (1.0 + np.tanh((self.background - threshold) / (2.0 * SOFTNESS)))
        return float(np.sum(over)) / self.hours

    def recall(self, threshold: float) -> float:
        """Return the share of held-out clips that reach a logit, `valid` and `train` counting the same."""
        shares = [np.mean(clips > threshold) for clips in (self.train_clips, self.valid_clips) if len(clips)]
        return float(np.mean(shares))


def fold_of(row: Row) -> int:
    """Return which fold a recording is in: what shares a take, a talker or a baby shares a fold."""
    if row.fold:
        return int(row.fold) % FOLDS
    take = row.group or re.sub(r"[\d_]*[a-d]?\.\w+$", "", row.path)
    return hashlib.sha256(take.encode()).digest()[0] % FOLDS


def background_scaling(train: Heard) -> Scaling:
    """Measure centre and spread of all that sounds in the training recordings."""
    return Scaling.of(train.hops[train.level_dbfs > LOWEST_NEGATIVE_DBFS][::3])


def gather(stock: Stock, train: Heard, valid: Heard, mixed: Heard, scaling: Scaling) -> Evidence:
    """Fit a profile's head and collect what speaks for and against every threshold."""
    folds = np.array([fold_of(row) for row in train.clips])[train.clip_of_hop]
    logits = np.zeros(len(train.hops), dtype=np.float32)
    mixed_folds = np.array([fold_of(row) for row in mixed.clips], int)[mixed.clip_of_hop]
    mixed_logits = np.zeros(len(mixed.hops), dtype=np.float32)
    for fold in range(FOLDS):
        head = _fit(stock, train, folds != fold, scaling)
        held, held_mixed = folds == fold, mixed_folds == fold
        logits[held] = head.logits(train.hops[held])
        mixed_logits[held_mixed] = head.logits(mixed.hops[held_mixed])
    head = _fit(stock, train, np.ones(len(folds), dtype=bool), scaling)
    mine, others = _sides(stock, train)
    plain = mine & train.plain[train.clip_of_hop]
    platt = fit_platt(logits[plain], _hop_weights(stock, train, plain), logits[others])
    head = head.scaled(platt.slope, platt.intercept)
    lasted = _lasting(stock, train, platt.slope * logits + np.float32(platt.intercept))
    lasted_mixed = _lasting(stock, mixed, platt.slope * mixed_logits + np.float32(platt.intercept))
    lasted_valid = _lasting(stock, valid, head.logits(valid.hops))
    heard_train, hours_train = _background(stock, train, lasted)
    heard_valid, hours_valid = _background(stock, valid, lasted_valid)
    few = _few_recordings(stock, train)
    return Evidence(
        stock=stock,
        head=head,
        background=np.concatenate([heard_train, heard_valid]),
        hours=hours_train + hours_valid,
        train_clips=_clip_peaks(stock, train, lasted, real=not few),
        real_clips=_clip_peaks(stock, train, lasted, real=True),
        spread=SPREAD_OF_SYNTHESIS if few else SPREAD,
        valid_clips=_clip_peaks(stock, valid, lasted_valid, real=True),
        valid_background=heard_valid,
        valid_hours=hours_valid,
        tail=_tail(stock, (train, lasted), (mixed, lasted_mixed), hours_train),
    )


def thresholds(evidence: Sequence[Evidence], per_hour: float) -> list[float]:
    """Share out a budget of false alarms: at every threshold, a little more recall costs the same."""
    options = [_options(each) for each in evidence]
    low, high = 1e-3, 1e3
    for _ in range(40):
        price = float(np.sqrt(low * high))
        spent = sum(float(rates[_best(worth, rates, price)]) for worth, rates in options)
        low, high = (price, high) if spent > per_hour else (low, price)
    return [float(_GRID[_best(worth, rates, high)]) for worth, rates in options]


def _options(evidence: Evidence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each threshold of the grid is worth, and the false alarms that it costs an hour."""
    clips = [clips for clips in (evidence.train_clips, evidence.valid_clips) if len(clips)]
    above = [(part[None] - _GRID[:, None]) * 2.0 / evidence.spread for part in clips]
    shares = [0.5 * (1.0 + np.tanh(part)).mean(axis=1) for part in above]
    # The first half of the recall is worth more than the second: a profile that hears little is of no use.
    worth = np.sqrt(np.mean(shares, axis=0))
    rates = np.array([evidence.rate(float(logit)) for logit in _GRID])
    worth[rates > DEAREST_PER_HOUR] = -np.inf
    judges = evidence.valid_clips if len(evidence.valid_clips) else evidence.real_clips
    if len(judges):
        enough = (judges[None] > _GRID[:, None]).mean(axis=1) >= LOWEST_RECALL
        if rates[np.flatnonzero(enough)[-1]] <= DEAREST_PER_HOUR:
            worth[~enough] = -np.inf
    return worth, rates


def _best(worth: NDArray[np.float64], rates: NDArray[np.float64], price: float) -> int:
    return int(np.argmax(worth - price * rates))


def _fit(stock: Stock, heard: Heard, among: NDArray[np.bool_], scaling: Scaling) -> Head:
    """Fit against random background, then again with what that head was fooled by."""
    mine, others = _sides(stock, heard)
    mine, others_at = mine & among, np.flatnonzero(others & among)
    weights = _hop_weights(stock, heard, mine)
    positives = heard.hops[mine]
    if len(positives) > RANDOM_NEGATIVES:
        keep = np.linspace(0, len(positives) - 1, RANDOM_NEGATIVES).astype(int)
        positives, weights = positives[keep], weights[keep]
    shuffled = np.random.default_rng(0).permutation(others_at)[:RANDOM_NEGATIVES]
    first = fit_head(positives, weights, heard.hops[shuffled], scaling, RIDGE)
    fooled = others_at[np.argsort(-first.logits(heard.hops[others_at]), kind="stable")[:HARD_NEGATIVES]]
    chosen = np.union1d(shuffled, fooled)
    return fit_head(positives, weights, heard.hops[chosen], scaling, RIDGE)


def _sides(stock: Stock, heard: Heard) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which hops hold the profile's sound, and which certainly do not."""
    of_clip = heard.clip_of_hop
    own = np.array([row.label in stock.labels for row in heard.clips])[of_clip]
    foreign = np.array([stock.name not in profiles_in(row) for row in heard.clips])[of_clip]
    return own & heard.active, foreign & (heard.level_dbfs > LOWEST_NEGATIVE_DBFS)


def _hop_weights(stock: Stock, heard: Heard, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Every recording counts the same, however long it is and however often it was varied."""
    names = {row.path: number for number, row in enumerate(heard.clips)}
    recording = np.array([names[row.path] for row in heard.clips])[heard.clip_of_hop[chosen]]
    counts = np.bincount(recording, minlength=len(heard.clips))
    worth = np.array([1.0 if row.source == "synthesis" else stock.real_weight for row in heard.clips])
    weights = worth[recording] / counts[recording]
    if stock.kind == "impulse":
        weights[_hops_since_onset(heard)[chosen] < ONSET_HOPS["impulse"]] *= EARLY_WORTH
    return np.asarray(weights, dtype=np.float32)


def _hops_since_onset(heard: Heard) -> NDArray[np.int64]:
    """Return for each active hop how many came before it in its stretch of sound."""
    begins = heard.active & ~np.concatenate([[False], heard.active[:-1]])
    begins[heard.offsets[:-1]] |= heard.active[heard.offsets[:-1]]
    places = np.arange(len(begins))
    return np.asarray(places - np.maximum.accumulate(np.where(begins, places, 0)))


def _lasting(stock: Stock, heard: Heard, logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the segmenter would act on: enough hops in its window."""
    settings = SegmenterSettings()
    if stock.kind == "impulse":
        needed, window = settings.impulse_start_hops, settings.impulse_start_hops
    else:
        needed, window = settings.sustained_start_hops, settings.sustained_window_hops
    return np.concatenate(
        [lasting(logits[heard.span(clip)], needed, window) for clip in range(len(heard.clips))]
    )


def _background(stock: Stock, heard: Heard, lasted: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return block peaks of plain ordinary hours without the profile's sound, and how many hours they are."""
    clips = [
        number
        for number, row in enumerate(heard.clips)
        if heard.plain[number] and row.source in HOURS_SOURCES and stock.name not in profiles_in(row)
    ]
    return _peaks(heard, lasted, clips, BLOCK_HOPS[stock.kind])


def _tail(
    stock: Stock,
    train: tuple[Heard, NDArray[np.float32]],
    mixed: tuple[Heard, NDArray[np.float32]],
    ordinary_hours: float,
) -> Tail:
    """Return the highest held-out peaks of mixed hours, and of each clip of another sound."""
    others = [
        number
        for number, row in enumerate(train[0].clips)
        if train[0].plain[number]
        and row.source not in HOURS_SOURCES | {"synthesis"}
        and stock.name not in profiles_in(row)
    ]
    free = [number for number, row in enumerate(mixed[0].clips) if stock.name not in profiles_in(row)]
    sounds, sounds_hours = _peaks(*train, others, PIECE_HOPS)
    places, places_hours = _peaks(*mixed, free, BLOCK_HOPS[stock.kind])
    hours = OTHER_SOUNDS_LAST * sounds_hours
    counts = MIXED_COUNTS * hours / max(places_hours, LEAST_MIXED_HOURS)
    peaks = np.concatenate([sounds, places])
    each = np.concatenate([np.ones(len(sounds)), np.full(len(places), counts)]).astype(np.float32)
    order = np.argsort(-peaks, kind="stable")[:TAIL_PEAKS]
    return Tail(
        peaks=peaks[order], counts=each[order], hours=hours, heard_hours=sounds_hours + ordinary_hours
    )


def _peaks(
    heard: Heard, lasted: NDArray[np.float32], clips: Sequence[int], block_hops: int
) -> tuple[NDArray[np.float32], float]:
    """Return the peaks of the blocks of these clips, and how many hours they are."""
    spans = [heard.span(number) for number in clips]
    peaks = [block_peaks(lasted[span], block_hops) for span in spans]
    hours = sum(span.stop - span.start for span in spans) * HOP_S / 3_600.0
    return np.concatenate([np.zeros(0, np.float32), *peaks]), hours


def _few_recordings(stock: Stock, heard: Heard) -> bool:
    """Tell whether real recordings of the profile's sound are too few to judge it by."""
    real = {row.path for row in heard.clips if row.label in stock.labels and row.source != "synthesis"}
    return len(real) < FEW_CLIPS


def _clip_peaks(
    stock: Stock, heard: Heard, lasted: NDArray[np.float32], *, real: bool
) -> NDArray[np.float32]:
    """Return the highest lasting logit near an onset, for each plain clip of the profile's sound."""
    own = [
        number
        for number, row in enumerate(heard.clips)
        if heard.plain[number] and row.label in stock.labels and heard.active[heard.span(number)].any()
    ]
    if real:
        own = [number for number in own if heard.clips[number].source != "synthesis"]
    peaks, window = [], ONSET_HOPS[stock.kind]
    for number in own:
        active, values = heard.active[heard.span(number)], lasted[heard.span(number)]
        starts = np.flatnonzero(active & ~np.concatenate([[False], active[:-1]]))
        peaks.append(max(values[start : start + window].max() for start in starts))
    return np.array(peaks, dtype=np.float32)
