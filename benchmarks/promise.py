r"""False alarms promised against those observed, over hours mixed from recordings of places.

    python -m benchmarks.promise --data DIR --where split=valid --where split=novel --encoder builtin --json

Classes that no training step has met are taught from five clips, and every stock profile is set, to 0.5 and
to 0.1 false alarms an hour, as `heard profiles promise` sets them. Then all of them hear hours mixed from the
rows that say what they may hold (`benchmarks.mixed_hours`): each embedding once, and the daemon's segmenter.
The gate is left open, which can only add events. What a piece may really hold is not counted, either way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import load_encoder
from benchmarks.estimates import Interval, poisson_rate
from benchmarks.mixed_hours import MixedHours, mixed_hours
from benchmarks.mixtures import events_of
from benchmarks.operating_curve import PROFILES
from benchmarks.report import progress, publish
from benchmarks.stock import read_stock
from benchmarks.taught import taught_arguments
from benchmarks.teaching import TooFewTakes, teach
from daemon.learning.teacher import at_promise
from daemon.streams.sounding import SCORE_DECIMALS
from detectors import segmenter
from detectors.segmenter_plan import SegmenterSettings, plan
from detectors.types import HOP_S, HopScores, Phase
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.promise import background_under

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.profile import Profile

PROMISES_PER_HOUR = (0.5, 0.1)
KEPT_WITHIN = 2.0
"""A promise is kept where no more than this many times as much is observed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What became of one profile's promise."""

    sound: str
    taught: bool
    promised_per_hour: float
    events: int
    hours: float
    observed_per_hour: Interval

    @property
    def kept(self) -> bool:
        """Whether the promise was kept."""
        return self.observed_per_hour.value <= KEPT_WITHIN * self.promised_per_hour


def count_events(profiles: Sequence[Profile], heard: MixedHours) -> tuple[list[int], list[float]]:
    """Return each profile's events, and the hours in which its sound cannot have been."""
    matcher = Matcher(profiles)
    steps = plan(matcher.thresholds, matcher.kinds, SegmenterSettings())
    sounds = [profile.name.split("@")[0] for profile in profiles]
    events, hops = np.zeros(len(profiles), int), np.zeros(len(profiles), int)
    every = _scores(matcher, heard)
    for piece in progress(range(len(heard.hops)), "Listening"):
        counted = np.array([sound not in heard.may_contain[piece] for sound in sounds])
        hops += counted * heard.hops.shape[1]
        state = segmenter.initial_state(len(profiles))
        for index, row in enumerate(every[piece]):
            level = float(heard.level_dbfs[piece, index])
            hop = HopScores(index=index, scores=row, level_dbfs=level, noise_floor_dbfs=-75.0, speech=False)
            state, transitions = segmenter.step(state, hop, None, steps)
            for transition in transitions:
                if transition.phase is Phase.STARTED and counted[transition.profile]:
                    events[transition.profile] += 1
    return events.tolist(), (hops * HOP_S / 3_600.0).tolist()


def _scores(matcher: Matcher, heard: MixedHours) -> NDArray[np.float32]:
    """Score all pieces side by side, each as a stream that began with it: [pieces, hops, profiles]."""
    pieces, hops, _ = heard.hops.shape
    scores = np.zeros((pieces, hops, len(matcher.names)), np.float32)
    pasts = np.repeat(matcher.cold()[None], pieces, axis=0)
    for index in range(hops):
        pasts, scores[:, index] = matcher.follow(heard.hops[:, index].astype(np.float32), pasts)
    return np.round(scores, SCORE_DECIMALS)


def promised(
    profiles: Sequence[Profile], bank: BackgroundBank, per_hour: float, *, taught: bool
) -> list[Profile]:
    """Return the profiles at the thresholds that promise a rate, under names that are theirs alone."""
    found = []
    for profile in profiles:
        changed = profile
        if not taught:
            background = background_under(profile, bank, None)
            changed = at_promise(profile, background.logit_for(per_hour), per_hour)
        found.append(replace(changed, name=f"{profile.name}@{per_hour}@{'taught' if taught else 'stock'}"))
    return found


def table(kept: Sequence[Kept], title: str) -> Table:
    """Lay the outcome out for people."""
    result = Table("profile", "promised", "observed an hour (95 %)", "events", "kept", title=title)
    for each in kept:
        result.add_row(
            each.sound + (" (taught)" if each.taught else ""),
            f"{each.promised_per_hour:g}",
            str(each.observed_per_hour),
            str(each.events),
            "yes" if each.kept else "no",
        )
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = taught_arguments(
        "benchmarks.promise", "False alarms promised against those observed.", PROFILES, draws=None
    )
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    stock, bank = read_stock(encoder.id)
    trials: list[Profile] = []
    skipped: dict[str, str] = {}
    for per_hour in PROMISES_PER_HOUR:
        trials += promised(stock, bank, per_hour, taught=False)
        for sound in progress(options.profile or PROFILES, f"Teaching for {per_hour:g} an hour"):
            try:
                taught = teach(
                    events_of(rows, sound),
                    options.shots,
                    np.random.default_rng((options.seed, 0)),
                    encoder=encoder,
                    bank=bank,
                    stock=stock,
                    false_alarms_per_hour=per_hour,
                )
            except TooFewTakes as error:
                skipped[sound] = str(error)
                continue
            trials += promised([taught.profile], bank, per_hour, taught=True)
    heard = mixed_hours(rows, encoder, hours=options.hours, seed=options.seed)
    events, hours = count_events(trials, heard)
    kept = []
    for profile, count, time in zip(trials, events, hours, strict=True):
        sound, rate, way = profile.name.split("@")
        kept.append(
            Kept(
                sound=sound,
                taught=way == "taught",
                promised_per_hour=float(rate),
                events=count,
                hours=time,
                observed_per_hour=poisson_rate(count, max(time, 1e-9)),
            )
        )
    shares = {
        f"{per_hour:g}": float(np.mean([each.kept for each in kept if each.promised_per_hour == per_hour]))
        for per_hour in PROMISES_PER_HOUR
    }
    title = (
        f"Promises kept: {', '.join(f'{share:.0%} at {rate}/h' for rate, share in shares.items())} "
        f"({heard.hours:.1f} h mixed from {heard.different_minutes:.0f} different minutes)"
    )
    return publish(
        "promise",
        options,
        {
            "kept_share": shares,
            "kept_within": KEPT_WITHIN,
            "hours": heard.hours,
            "different_minutes": heard.different_minutes,
            "profiles": kept,
            "skipped": skipped,
            "shots": options.shots,
            "seed": options.seed,
            "encoder": encoder.id,
        },
        table(kept, title),
    )


if __name__ == "__main__":
    main()
