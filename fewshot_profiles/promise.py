"""The false alarms that a threshold promises: on the bank that ships, and in this home."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from fewshot_profiles.ambience import Ambience
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit_at_rate, rate_at_logit
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Kind, Profile
from fewshot_profiles.resting import rest_of, standing_out
from fewshot_profiles.veto import VETOED_LOGIT, logits_of

FALSE_ALARMS_PER_HOUR = 1.0 / 168.0
"""What a threshold aims at unless the owner states another rate: one in a week."""

MIN_HOME_HOURS = 1.0
MIN_HOME_ROWS = 50
"""From less than this the home's own sound says nothing about its rates."""

UNSEEN = 4.0
"""A home that nobody has recorded holds about so many times the false alarms that the bank foretells.
Found by calibrating on some recordings and counting on others."""

UNSEEN_WHERE_FITTED = 16.0
"""The same for a head that was fitted on the bank itself, and has nothing held out."""

UNSEEN_IN_TAIL = 1.0
"""The same where a tail was held out: other sounds and other rooms are in it already."""

_MOVED_ROWS = 20
"""So many of the highest rows of the bank tell how far a change of the head moves its tail."""

_LEAST_EVENTS_IN_BANK = 0.025
_LEAST_EVENTS_IN_HOME = 0.1
"""No threshold is set by looking further beyond what was heard than to so many events in all of it: a promise
that is stricter has to wait until this home has been listened to for longer."""

_USEFUL_EVENTS_IN_BANK = 0.25
"""Where the owner has stated no promise, the bank alone shall not make a profile deaf: its hours are few, and
some of them hold sounds that are like the owner's. The home's own sound makes it as strict as it must be."""

_EVENT_ROWS: dict[Kind, int] = {"impulse": 3, "sustained": 10}
"""Rows of the bank, 0.64 s each, that would be one false alarm: a sustained one lasts as its cause does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The false alarms to expect, and what that rests on."""

    per_hour: float
    """In this home, once it is known; until then, in one like those of the bank."""
    bank_per_hour: float
    """In a home that was never heard, judged by the bank."""
    bank_hours: float
    home_per_hour: float | None
    """None while this home has not been listened to for long enough."""
    home_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """The logits that one head gives to where its sound is not."""

    in_bank: NDArray[np.float32]
    """The peak of each piece of ordinary hours that would be one false alarm."""
    bank_hours: float
    """How long that is; of a held-out tail, how long what it stands for would be."""
    in_home: NDArray[np.float32]
    """One for each row of the ambience; empty while too little is known of this home."""
    home_counts: NDArray[np.float32]
    home_hours: float
    unseen: float = UNSEEN
    """How many times more is to be expected in a home than the bank foretells."""
    bank_counts: NDArray[np.float32] | None = None
    """How many each peak stands for; None where each is one."""
    heard_hours: float | None = None
    """How much different sound the bank's part rests on, where that is not `bank_hours`."""

    def logit_for(self, per_hour: float, *, stated: bool = True) -> float:
        """Return the threshold's logit that keeps this rate on both sides: the stricter one counts.

        Where the owner has not `stated` the rate, the bank is not asked for more than it can tell.
        """
        least = _LEAST_EVENTS_IN_BANK if stated else _USEFUL_EVENTS_IN_BANK
        in_bank = max(per_hour / self.unseen, least / self.bank_hours)
        threshold = logit_at_rate(self.in_bank, self.bank_hours, in_bank, self.bank_counts)
        if len(self.in_home):
            rate = max(per_hour, _LEAST_EVENTS_IN_HOME / self.home_hours)
            in_home = logit_at_rate(self.in_home, self.home_hours, rate, self.home_counts)
            threshold = max(threshold, in_home)
        return threshold

    def expected(self, threshold_logit: float) -> Expected:
        """Return what is to be expected at a threshold."""
        bank_rate = self.unseen * rate_at_logit(
            self.in_bank, self.bank_hours, threshold_logit, self.bank_counts
        )
        home_rate = None
        if len(self.in_home):
            home_rate = rate_at_logit(self.in_home, self.home_hours, threshold_logit, self.home_counts)
        return Expected(
            per_hour=bank_rate if home_rate is None else home_rate,
            bank_per_hour=bank_rate,
            bank_hours=self.bank_hours if self.heard_hours is None else self.heard_hours,
            home_per_hour=home_rate,
            home_hours=self.home_hours,
        )


def background_of(
    in_bank: NDArray[np.float32],
    in_home: NDArray[np.float32],
    *,
    bank: BackgroundBank,
    home: Ambience | None,
    kind: Kind,
) -> Background:
    """Return the background from a logit for each row of the bank and of the ambience."""
    known = home is not None and enough(home)
    return Background(
        in_bank=events_in(in_bank, bank, kind),
        bank_hours=bank.hours,
        in_home=in_home if known else in_home[:0],
        home_counts=np.zeros(0, np.float32) if home is None or not known else home.stands_for,
        home_hours=0.0 if home is None else home.hours,
    )


def background_under(
    profile: Profile, bank: BackgroundBank, home: Ambience | None, *, unseen: float = UNSEEN_WHERE_FITTED
) -> Background:
    """Return what a finished detector makes of the background: its held-out tail, else all of the bank.

    `unseen` is for a bank that is not held out; a tail has its own.
    """
    tail = profile.detector.tail
    in_home = np.zeros(0, np.float32) if home is None else logits_of(profile, home.embeddings)
    background = background_of(_in_bank(profile, bank), in_home, bank=bank, home=home, kind=profile.kind)
    if tail is None:
        return replace(background, unseen=unseen)
    return replace(
        background,
        in_bank=tail.peaks,
        bank_counts=tail.counts,
        bank_hours=tail.hours,
        heard_hours=tail.heard_hours,
        unseen=UNSEEN_IN_TAIL,
    )


def _in_bank(profile: Profile, bank: BackgroundBank) -> NDArray[np.float32]:
    """Return the logit of each row of the bank as the matcher would come to it."""
    logits = logits_of(profile, bank.embeddings)
    if profile.detector.rest is None:
        return logits
    standing = standing_out(profile.detector.head.logits(bank.embeddings), profile.detector.rest, bank)
    return np.where(logits <= VETOED_LOGIT, logits, standing)


def with_head(profile: Profile, head: Head, bank: BackgroundBank) -> Profile:
    """Return the profile with another head; its tail rises as the highest rows of the bank do."""
    tail, rest = profile.detector.tail, profile.detector.rest
    if rest is not None:
        rest = rest_of(head.logits(bank.embeddings), bank)
    if tail is not None:
        before, after = (
            float(np.sort(each.logits(bank.embeddings))[-_MOVED_ROWS:].mean())
            for each in (profile.detector.head, head)
        )
        tail = replace(tail, peaks=tail.peaks + np.float32(max(0.0, after - before)))
    return replace(profile, detector=replace(profile.detector, head=head, tail=tail, rest=rest))


def enough(home: Ambience) -> bool:
    """Tell whether this home was listened to for long enough to speak of rates."""
    return home.hours >= MIN_HOME_HOURS and len(home) >= MIN_HOME_ROWS


def events_in(logits: NDArray[np.float32], bank: BackgroundBank, kind: Kind) -> NDArray[np.float32]:
    """Return the peak of each piece of the bank's ordinary hours that would be one false alarm."""
    ambient, recording = logits[bank.ambient], bank.recording[bank.ambient]
    edges = np.flatnonzero(np.diff(recording, prepend=recording[0] - 1, append=recording[-1] - 1))
    starts = [np.arange(first, last, _EVENT_ROWS[kind]) for first, last in pairwise(edges)]
    peaks: NDArray[np.float32] = np.maximum.reduceat(ambient, np.concatenate(starts))
    return peaks
