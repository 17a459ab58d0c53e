"""How often the stock profiles speak up where their sound is not.

    python -m benchmarks.false_alarms --data DIR --where split=valid --encoder builtin --json

Listens to the recordings for which somebody has judged what they may really hold (`may_contain`): ambiences,
speech and babies. An event of a profile named there, or of the recording's own label, is not counted.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP
from benchmarks.estimates import Interval, poisson_rate
from benchmarks.hearing import stock_listener
from benchmarks.report import arguments, publish

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.dataset import Recording
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


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.false_alarms", "Events per hour where there is nothing to hear.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    options = parser.parse_args(argv)
    listener = stock_listener(options.encoder)
    recordings = [each for each in read_recordings(options.data, options.where) if each.may_contain]
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
            "alarms": [sound.as_json() | {"file": recording.columns["path"]} for recording, sound in alarms],
            "encoder": listener.encoder.id,
        },
        table("profile", profiles, total),
        table(f"recordings ({every_hour:.2f} h)", sources, total),
    )


if __name__ == "__main__":
    main()
