"""How often the stock profiles speak up where their sound is not.

    python -m benchmarks.false_alarms --data DIR --where split=valid --encoder builtin --json

Listens to the recordings for which somebody has judged what they may really hold (`may_contain`): ambiences,
speech and babies. An event of a profile named there, or of the recording's own label, is not counted. Beside
the rate stands what installers of detectors ask for, a list of rejections: short clips of other sounds, and
which profiles took them for their own.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP
from benchmarks.estimates import Interval, poisson_rate, wilson
from benchmarks.hearing import stock_listener
from benchmarks.report import arguments, publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.dataset import Recording
    from benchmarks.hearing import Listener
    from daemon.replay import ReplayedFile, ReplayedSound

SECONDS_PER_HOUR = 3_600.0


def false_alarms(recording: Recording, heard: ReplayedFile) -> list[ReplayedSound]:
    """Return the sounds that this recording cannot have caused rightly."""
    allowed = recording.may_contain | {recording.profile}
    return [sound for sound in heard.sounds if sound.profile not in allowed]


def rates(counts: Mapping[str, int], hours: Mapping[str, float]) -> dict[str, Interval]:
    """Turn counts into rates, the highest first."""
    found = {name: poisson_rate(counts.get(name, 0), hours[name]) for name in hours}
    return dict(sorted(found.items(), key=lambda entry: -entry[1].value))


def rejections(
    listener: Listener, clips: Sequence[Recording]
) -> tuple[dict[str, dict[str, str]], Interval | None]:
    """Return which sounds fooled each profile, and how often; and the share of clips that fooled any."""
    asked = Counter(clip.profile for clip in clips)
    fooled: dict[str, Counter[str]] = defaultdict(Counter)
    clips_that_fooled = 0
    for clip, heard in listener.hear(clips):
        wrong = {sound.profile for sound in false_alarms(clip, heard)}
        clips_that_fooled += bool(wrong)
        for profile in wrong:
            fooled[profile][clip.profile] += 1
    return {
        profile: {sound: f"{times} of {asked[sound]}" for sound, times in sounds.most_common()}
        for profile, sounds in sorted(fooled.items())
    }, wilson(clips_that_fooled, len(clips)) if clips else None


def count(names: Sequence[str]) -> dict[str, int]:
    """Count how often each name occurs."""
    return {name: names.count(name) for name in names}


def table(title: str, rates_by_name: Mapping[str, Interval], total: Interval) -> Table:
    """Lay rates out for people."""
    result = Table(title, "false alarms per hour (95 %)")
    for name, rate in rates_by_name.items():
        result.add_row(name, str(rate))
    result.add_section()
    result.add_row("all", str(total), style="bold")
    return result


def rejection_table(confused: Mapping[str, Mapping[str, str]], fooled_share: Interval) -> Table:
    """Lay out which sounds fooled which profile."""
    result = Table("profile", "taken for it", title=f"Clips of other sounds that fooled any: {fooled_share}")
    for profile, sounds in confused.items():
        result.add_row(profile, ", ".join(f"{name} {times}" for name, times in sounds.items()))
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.false_alarms", "Events per hour where there is nothing to hear.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    options = parser.parse_args(argv)
    listener = stock_listener(options.encoder)
    rows = read_recordings(options.data, options.where)
    recordings = [each for each in rows if each.may_contain]
    if not recordings:
        raise SystemExit("none of these rows says what it may contain")
    hours: dict[str, float] = defaultdict(float)
    alarms: list[tuple[Recording, ReplayedSound]] = []
    for recording, heard in listener.hear(recordings):
        hours[recording.source] += heard.seconds / SECONDS_PER_HOUR
        alarms += [(recording, sound) for sound in false_alarms(recording, heard)]
    every_hour = sum(hours.values())
    total = poisson_rate(len(alarms), every_hour)
    profiles = rates(
        count([sound.profile for _, sound in alarms]),
        {profile.name: every_hour for profile in listener.profiles},
    )
    # What has folds was labelled by ear; other labels come from file names, and leave out what else is there.
    confused, fooled_share = rejections(listener, [row for row in rows if row.columns.get("fold")])
    sources = rates(count([recording.source for recording, _ in alarms]), hours)
    return publish(
        "false_alarms",
        options,
        {
            "per_hour": total,
            "events": len(alarms),
            "hours": every_hour,
            "profiles": profiles,
            "sources": sources,
            "hours_by_source": hours,
            "rejections": confused,
            "clips_that_fooled": fooled_share,
            "alarms": [sound.as_json() | {"file": recording.columns["path"]} for recording, sound in alarms],
            "encoder": listener.encoder.id,
        },
        table("profile", profiles, total),
        table(f"recordings ({every_hour:.2f} h)", sources, total),
        *([rejection_table(confused, fooled_share)] if fooled_share else []),
    )


if __name__ == "__main__":
    main()
