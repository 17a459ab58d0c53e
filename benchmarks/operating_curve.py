r"""What a promise of so many false alarms an hour costs in sounds that are missed, and whether it is kept.

    python -m benchmarks.operating_curve --data DIR --where split=valid --where split=novel \
        --encoder builtin --json

Sounds are taught from a few clips, at thresholds for which enrolment expects 0.04 (one a day), 0.1, 0.5 and 1
false alarm an hour on the background bank. The thresholds stay as they are: other clips of the sound tell the
misses, and recordings in which it is not tell the false alarms of one such profile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP, load_encoder
from benchmarks.estimates import Interval, poisson_rate, wilson
from benchmarks.hearing import Listener
from benchmarks.mixtures import events_of, places_for
from benchmarks.recall import judge, onsets_s
from benchmarks.report import arguments, progress, publish
from benchmarks.scoring import SECONDS_PER_HOUR
from benchmarks.stock import read_stock
from benchmarks.teaching import TooFewTakes, teach
from fewshot_profiles.enrollment import Teaching, enroll

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder
    from fewshot_profiles.bank import BackgroundBank
    from fewshot_profiles.profile import Profile

RATES_PER_HOUR = (0.04, 0.1, 0.5, 1.0)
PROFILES = ("clock_tick", "cow", "crickets", "crow", "door_creak", "drinking", "fireworks", "helicopter")
"""The classes that no training step of the builtin encoder has met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One sound, taught once, at one threshold."""

    sound: str
    draw: int
    rate_per_hour: float
    profile: Profile
    """Under a name of its own, so that all trials can listen at once"""
    others: tuple[Recording, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trialled:
    """What became of one trial."""

    sound: str
    rate_per_hour: float
    missed: int
    asked: int
    false_alarms: int
    hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One place on the curve: the mean over draws; its intervals are those of a single draw."""

    asked_per_hour: float
    kept_per_hour: Interval
    """False alarms of one profile"""
    missed: Interval
    hours: float
    clips: float


def teach_all(
    rows: Sequence[Recording], encoder: Encoder, bank: BackgroundBank, options: argparse.Namespace
) -> list[Trial]:
    """Teach every sound as often as asked, and set a threshold for every rate."""
    wanted = [(sound, draw) for sound in options.profile or PROFILES for draw in range(options.draws)]
    trials = []
    for sound, draw in progress(wanted, "Teaching"):
        rng = np.random.default_rng((options.seed, draw))
        first = RATES_PER_HOUR[0]
        taught = teach(
            events_of(rows, sound),
            options.shots,
            rng,
            encoder=encoder,
            bank=bank,
            false_alarms_per_hour=first,
        )
        files = [example.file for example in taught.examples]
        for at, rate in enumerate(RATES_PER_HOUR):
            teaching = Teaching(name=sound, false_alarms_per_hour=rate)
            profile = taught.profile
            if rate != first:
                profile = enroll(teaching, files, encoder=encoder, bank=bank).profile
            trials.append(
                Trial(
                    sound=sound,
                    draw=draw,
                    rate_per_hour=rate,
                    profile=replace(profile, name=f"{sound}_{draw}_{at}"),
                    others=taught.others,
                )
            )
    return trials


def heard_onsets_s(
    listener: Listener, recordings: Sequence[Recording]
) -> tuple[dict[tuple[str, str], list[float]], dict[str, float]]:
    """Return the onsets of each profile in each recording, by file and name, and how long recordings are."""
    onsets: dict[tuple[str, str], list[float]] = {}
    seconds: dict[str, float] = {}
    for recording, heard in listener.hear(recordings):
        path = recording.columns["path"]
        seconds[path] = heard.seconds
        for sound in heard.sounds:
            onsets.setdefault((path, sound.profile), []).append(sound.onset_s)
    return onsets, seconds


def hear_trials(trials: Sequence[Trial], rows: Sequence[Recording], listener: Listener) -> list[Trialled]:
    """Let all trials hear the clips they have not met, and the recordings in which their sound is not."""
    sounds = sorted({trial.sound for trial in trials})
    clips = {clip for trial in trials for clip in trial.others}
    places = {sound: places_for(rows, sound) for sound in sounds}
    every = sorted(
        clips | {place for each in places.values() for place in each}, key=lambda row: str(row.file)
    )
    onsets, seconds = heard_onsets_s(listener, every)
    sounds_s = {clip: onsets_s(*clip.load()) for clip in clips}
    found = []
    for trial in trials:
        name = trial.profile.name
        verdicts = [
            judge(
                file=clip.columns["path"],
                profile=trial.sound,
                heard_s=onsets.get((clip.columns["path"], name), []),
                sounds_s=sounds_s[clip],
            )
            for clip in trial.others
        ]
        paths = [place.columns["path"] for place in places[trial.sound]]
        found.append(
            Trialled(
                sound=trial.sound,
                rate_per_hour=trial.rate_per_hour,
                missed=sum(not verdict.at_an_onset for verdict in verdicts),
                asked=len(trial.others),
                false_alarms=sum(len(onsets.get((path, name), [])) for path in paths),
                hours=sum(seconds[path] for path in paths) / SECONDS_PER_HOUR,
            )
        )
    return found


def sum_up(trialled: Sequence[Trialled], draws: int) -> list[Point]:
    """Turn counts into the curve."""
    points = []
    for rate in RATES_PER_HOUR:
        these = [each for each in trialled if each.rate_per_hour == rate]
        hours = sum(each.hours for each in these) / draws
        clips = sum(each.asked for each in these) / draws
        points.append(
            Point(
                asked_per_hour=rate,
                kept_per_hour=poisson_rate(sum(each.false_alarms for each in these) / draws, hours),
                missed=wilson(sum(each.missed for each in these) / draws, clips),
                hours=hours,
                clips=clips,
            )
        )
    return points


def table(curve: Sequence[Point], title: str) -> Table:
    """Lay the curve out for people."""
    result = Table(
        "false alarms per hour, as asked", "as counted (95 %)", "sounds missed (95 %)", title=title
    )
    for point in curve:
        result.add_row(f"{point.asked_per_hour:g}", str(point.kept_per_hour), str(point.missed))
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.operating_curve", "Sounds missed against false alarms an hour.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument(
        "--profile", action="append", help=f"sound to teach, several times (default: {' '.join(PROFILES)})"
    )
    parser.add_argument("--shots", type=int, default=5, help="examples that teach")
    parser.add_argument("--draws", type=int, default=2, help="of examples")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    _, bank = read_stock(encoder.id)
    try:
        trials = teach_all(rows, encoder, bank, options)
    except TooFewTakes as error:
        raise SystemExit(str(error)) from error
    listener = Listener(encoder=encoder, profiles=tuple(trial.profile for trial in trials))
    trialled = hear_trials(trials, rows, listener)
    curve = sum_up(trialled, options.draws)
    by_sound = {
        sound: sum_up([each for each in trialled if each.sound == sound], options.draws)
        for sound in dict.fromkeys(trial.sound for trial in trials)
    }
    return publish(
        "operating_curve",
        options,
        {
            "curve": curve,
            "sounds": by_sound,
            "shots": options.shots,
            "draws": options.draws,
            "seed": options.seed,
            "encoder": encoder.id,
        },
        table(
            curve, f"Operating curve, {encoder.id.name}: {len(by_sound)} sounds of {options.shots} examples"
        ),
    )


if __name__ == "__main__":
    main()
