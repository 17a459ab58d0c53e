r"""Ten wrong events marked wrong: whether they stop, and what that costs the profile.

    python -m benchmarks.feedback --data DIR --where split=valid --where split=novel --encoder builtin --json

A taught profile's threshold is set where its ten most likely mistakes in hours of mixed places
(`benchmarks.mixed_hours`) just set it off, each from another piece. They are marked wrong one by one,
as `heard feedback ID wrong` does it. Then they, the other pieces, and clips of the sound that it has not met
are asked again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import load_encoder
from benchmarks.mixed_hours import MixedHours, mixed_hours
from benchmarks.operating_curve import PROFILES
from benchmarks.report import publish
from benchmarks.stock import read_stock
from benchmarks.taught import TaughtSound, taught_arguments, taught_sounds
from fewshot_profiles.calibration import logit, sigmoid
from fewshot_profiles.enrollment import FALSE_ALARMS_PER_HOUR
from fewshot_profiles.veto import logits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fewshot_profiles.profile import Profile

WRONG_EVENTS = 10
EVENT_HOPS = 12
"""About a second: what the daemon keeps of an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What became of one profile."""

    sound: str
    still_fire: int
    """Of the ten"""
    pieces_before: int
    """Pieces of the mixed hours that set it off"""
    pieces_after: int
    recall_before: float
    recall_after: float


def wrong_events(profile: Profile, pieces: NDArray[np.float16]) -> tuple[list[NDArray[np.float32]], float]:
    """Return the hops of the ten likeliest mistakes, and the logit that the least of them reaches."""
    peaks = np.array([profile.detector.head.logits(piece.astype(np.float32)).max() for piece in pieces])
    chosen = np.argsort(-peaks, kind="stable")[:WRONG_EVENTS]
    events = []
    for number in chosen:
        hops = pieces[number].astype(np.float32)
        at = int(profile.detector.head.logits(hops).argmax())
        events.append(hops[max(0, at - EVENT_HOPS // 2) : at + EVENT_HOPS // 2])
    return events, float(peaks[chosen[-1]])


def measure(taught: TaughtSound, heard: MixedHours) -> Marked:
    """Mark ten wrong events of one profile and ask again."""
    pieces = heard.hops[[taught.sound not in held for held in heard.may_contain]]
    events, lowest = wrong_events(taught.profile, pieces)
    threshold = float(np.clip(sigmoid(np.array(lowest - 1e-3)), 1e-6, 1 - 1e-6))
    before = replace(taught.profile, threshold_override=threshold)
    after = before
    for event in events:
        negatives = np.concatenate([after.embedded.negatives, event])
        after = replace(after, embedded=replace(after.embedded, negatives=negatives))
    edge = logit(threshold)
    fired = [_fired(profile, pieces, edge) for profile in (before, after)]
    return Marked(
        sound=taught.sound,
        still_fire=sum(float(logits_of(after, event).max()) >= edge for event in events),
        pieces_before=fired[0],
        pieces_after=fired[1],
        recall_before=float(np.mean(taught.peaks(before) >= edge)),
        recall_after=float(np.mean(taught.peaks(after) >= edge)),
    )


def _fired(profile: Profile, pieces: NDArray[np.float16], edge: float) -> int:
    return sum(float(logits_of(profile, piece.astype(np.float32)).max()) >= edge for piece in pieces)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = taught_arguments(
        "benchmarks.feedback", "Ten wrong events marked wrong, and what that costs.", PROFILES
    )
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    stock, bank = read_stock(encoder.id)
    heard = mixed_hours(rows, encoder, hours=options.hours, seed=options.seed)
    marked = [
        measure(taught, heard)
        for taught in taught_sounds(
            rows,
            options.profile or PROFILES,
            encoder=encoder,
            bank=bank,
            stock=stock,
            shots=options.shots,
            draws=options.draws,
            seed=options.seed,
            per_hour=FALSE_ALARMS_PER_HOUR,
        )
    ]
    if not marked:
        raise SystemExit("none of these rows has enough takes of a sound")
    lines = Table("sound", "of ten still fire", "pieces that fire", "recall", title="Ten events marked wrong")
    for each in marked:
        lines.add_row(
            each.sound,
            str(each.still_fire),
            f"{each.pieces_before} to {each.pieces_after}",
            f"{each.recall_before:.3f} to {each.recall_after:.3f}",
        )
    fall = float(np.mean([each.recall_before - each.recall_after for each in marked]))
    return publish(
        "feedback",
        options,
        {
            "still_fire": sum(each.still_fire for each in marked),
            "marked": WRONG_EVENTS * len(marked),
            "recall_falls_by": fall,
            "profiles": marked,
            "hours": heard.hours,
            "encoder": encoder.id,
        },
        lines,
    )


if __name__ == "__main__":
    main()
