"""What the durable outbox costs a message, and what it withstands: real kills, and a real mosquitto.

    python -m benchmarks.outbox --json
    python -m benchmarks.outbox --away 600 --hangs 600 --rate 1.7 --sounds 0 --kills 0 --daemons 0

By turns, a sound's message goes through the outbox and past it. Then a process that decides and delivers is
killed at random moments, and a whole daemon, too; then the broker is killed and comes back after --away
seconds; then it is stopped, so that it accepts and does not answer, for --hangs seconds. What is promised is
checked, not counted: the command fails where anything is lost, overtaken, or repeated under another id.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.broker import Mosquitto, find_program
from benchmarks.estimates import percentile
from benchmarks.outbox_delay import measure
from benchmarks.outbox_proofs import kill_daemons, kill_often, outage
from benchmarks.report import arguments, publish, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from benchmarks.outbox_proofs import Kills, Outage

EVERY_S = 0.03
"""Between two sounds whose messages are timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withstood:
    """What was done to processes and brokers, and what became of everything that was decided."""

    killed: Kills | None
    started_s: list[float]
    """From each start of a whole daemon to its first message; all but the first had been killed before."""
    broker: Mapping[str, Outage]


def delays(folder: Path, broker: Mosquitto, sounds: int) -> dict[str, dict[str, float]]:
    """Return what messages take with the outbox and without it."""
    tell(f"{sounds} sounds through the outbox, as many past it")
    found = asyncio.run(measure(folder, broker, sounds=sounds, every_s=EVERY_S))
    return {"through the outbox": _figures_ms(found.through_s), "past it": _figures_ms(found.past_s)}


def withstood(root: Path, broker: Mosquitto, options: argparse.Namespace) -> Withstood:
    """Do it all, one after another. Raises Broken."""
    killed, started_s = None, []
    outages: dict[str, Outage] = {}
    if options.kills:
        tell(f"{options.kills} kills of what decides and delivers")
        killed = kill_often(
            _folder(root, "kills"), broker, kills=options.kills, rate=options.rate, seed=options.seed
        )
    if options.daemons:
        tell(f"{options.daemons} kills of a whole daemon")
        started_s = kill_daemons(
            _folder(root, "daemons"), broker, kills=options.daemons, rate=options.rate, seed=options.seed
        )
    ways = {
        "is away": (options.away, broker.kill, broker.start),
        "does not answer": (options.hangs, broker.pause, broker.resume),
    }
    for number, (name, (lasts_s, begin, end)) in enumerate(ways.items()):
        if lasts_s:
            tell(f"the broker {name} for {lasts_s:g} s")
            folder = _folder(root, f"broker{number}")
            outages[name] = outage(folder, broker, lasts_s=lasts_s, rate=options.rate, begin=begin, end=end)
    return Withstood(killed=killed, started_s=started_s, broker=outages)


def tables(took_ms: Mapping[str, Mapping[str, float]], found: Withstood) -> list[Table]:
    """Lay the figures out for people."""
    delay = Table("", "p50", "p95", "max", title="From a sound to its message, without hearing it")
    for way, took in took_ms.items():
        delay.add_row(way, *(f"{took[name]:.1f} ms" for name in ("p50", "p95", "max")))
    kills = Table(
        "kill -9 of",
        "kills",
        "between two lines",
        "in its start",
        "decided",
        "lost",
        "repeated",
        "ready after",
    )
    killed = found.killed
    if killed is not None:
        kills.add_row(
            "what decides and delivers",
            *map(
                str, (killed.kills, killed.between_lines, killed.in_start, killed.decided, 0, killed.repeats)
            ),
            f"{median(killed.ready_s):.1f} s" if killed.ready_s else "–",
        )
    if found.started_s:
        again_s = found.started_s[1:]
        kills.add_row("heard run", str(len(again_s)), "0", "0", "", "0", "", f"{median(again_s):.1f} s")
    away = Table("broker", "for", "waited", "lost", "repeated", "first after", "all after", "memory")
    for name, each in found.broker.items():
        away.add_row(
            name,
            f"{each.lasted_s:.0f} s",
            str(each.waited),
            "0",
            str(each.repeats),
            f"{each.ready_s:.2f} s",
            f"{each.caught_up_s:.1f} s",
            f"{each.grew_bytes / 1e6:+.1f} MB",
        )
    return [table for table in (delay, kills, away) if table.row_count]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments(
        "benchmarks.outbox", "What the durable outbox costs, and what it withstands.", data=False
    )
    parser.add_argument("--sounds", type=int, default=500, help="whose messages are timed, each way")
    parser.add_argument("--kills", type=int, default=200, help="of what decides and delivers")
    parser.add_argument("--daemons", type=int, default=20, help="kills of a whole `heard run`")
    parser.add_argument("--rate", type=float, default=50.0, help="actions a second in all but the first")
    parser.add_argument("--away", type=float, default=20.0, help="seconds without a broker")
    parser.add_argument("--hangs", type=float, default=20.0, help="seconds with one that does not answer")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    executable = find_program("mosquitto")
    if executable is None:
        raise SystemExit("mosquitto is not installed; on Debian: apt-get install mosquitto")
    with tempfile.TemporaryDirectory(prefix="heard-outbox-") as name:
        root = Path(name)
        broker = Mosquitto(executable, root)
        broker.start()
        try:
            took_ms = delays(_folder(root, "delay"), broker, options.sounds) if options.sounds else {}
            found = withstood(root, broker, options)
        finally:
            broker.kill()
    figures = {"delay_ms": took_ms, "rate": options.rate, "withstood": found}
    return publish("outbox", options, figures, *tables(took_ms, found))


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder


def _figures_ms(times_s: Sequence[float]) -> dict[str, float]:
    figures = {"p50": percentile(times_s, 50), "p95": percentile(times_s, 95), "max": max(times_s)}
    return {name: 1e3 * value for name, value in figures.items()}


if __name__ == "__main__":
    main()
