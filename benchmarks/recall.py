"""How many real recordings of a sound make its stock profile speak, at its onset.

    python -m benchmarks.recall --data DIR --where split=valid --encoder builtin --json

A clip counts as heard when an event of its profile starts within half a second of where a stretch of sound
starts in it. Clips hold silence around the sound and often several sounds, so where sound starts is found in
the audio, by the same code that cuts examples in enrolment; any of the stretches will do. Beside it stand the
stricter figure (the first stretch only) and the laxer one (the event may be anywhere).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP
from benchmarks.estimates import Interval, wilson
from benchmarks.hearing import stock_listener
from benchmarks.report import arguments, publish
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.activity import active_regions
from fewshot_profiles.embedding import frame_clip

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from detectors.types import Samples

ONSET_TOLERANCE_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of one clip of a profile's sound."""

    file: str
    profile: str
    at_an_onset: bool
    at_the_first_onset: bool
    anywhere: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """The share of a profile's clips that were heard."""

    clips: int
    heard: Interval
    at_the_first_onset: float
    anywhere: float


def onsets_s(samples: Samples, rate_hz: int) -> list[float]:
    """Return where stretches of sound start, in seconds; the start of the clip where nothing stands out."""
    regions = active_regions(frame_clip(samples, rate_hz).ravel())
    return [region.start / DETECTION_RATE_HZ for region in regions] or [0.0]


def judge(*, file: str, profile: str, heard_s: Iterable[float], sounds_s: Sequence[float]) -> Verdict:
    """Compare the onsets of the profile's events with those of the sounds."""
    heard = list(heard_s)
    near = [any(abs(at - sound) <= ONSET_TOLERANCE_S for at in heard) for sound in sounds_s]
    return Verdict(
        file=file, profile=profile, at_an_onset=any(near), at_the_first_onset=near[0], anywhere=bool(heard)
    )


def sum_up(verdicts: Sequence[Verdict]) -> Recall:
    """Turn verdicts into shares."""
    return Recall(
        clips=len(verdicts),
        heard=wilson(sum(verdict.at_an_onset for verdict in verdicts), len(verdicts)),
        at_the_first_onset=float(np.mean([verdict.at_the_first_onset for verdict in verdicts])),
        anywhere=float(np.mean([verdict.anywhere for verdict in verdicts])),
    )


def table(by_profile: dict[str, Recall], total: Recall) -> Table:
    """Lay the shares out for people, the worst profile first."""
    result = Table(
        "profile", "clips", "heard at an onset (95 %)", "at the first onset", "anywhere", title="Recall"
    )
    ordered = sorted(by_profile.items(), key=lambda entry: entry[1].heard.value)
    for name, recall in [*ordered, ("all", total)]:
        result.add_row(
            name,
            str(recall.clips),
            str(recall.heard),
            f"{recall.at_the_first_onset:.2f}",
            f"{recall.anywhere:.2f}",
            style="bold" if recall is total else "",
        )
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.recall", "Recall of the stock profiles on real recordings.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    options = parser.parse_args(argv)
    listener = stock_listener(options.encoder)
    names = {profile.name for profile in listener.profiles}
    recordings = [
        recording
        for recording in read_recordings(options.data, options.where)
        if recording.profile in names and not recording.ambience
    ]
    if not recordings:
        raise SystemExit("none of these rows is a clip of a stock profile's sound")
    verdicts: dict[str, list[Verdict]] = defaultdict(list)
    for recording, heard in listener.hear(recordings):
        verdicts[recording.profile].append(
            judge(
                file=recording.columns["path"],
                profile=recording.profile,
                heard_s=[sound.onset_s for sound in heard.sounds if sound.profile == recording.profile],
                sounds_s=onsets_s(*recording.load()),
            )
        )
    every = [verdict for group in verdicts.values() for verdict in group]
    by_profile = {name: sum_up(group) for name, group in sorted(verdicts.items())}
    total = sum_up(every)
    return publish(
        "recall",
        options,
        {
            "recall": total,
            "profiles": by_profile,
            "missed": [verdict.file for verdict in every if not verdict.at_an_onset],
            "onset_tolerance_s": ONSET_TOLERANCE_S,
            "encoder": listener.encoder.id,
        },
        table(by_profile, total),
    )


if __name__ == "__main__":
    main()
