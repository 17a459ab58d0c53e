"""What the durable outbox costs a message, and what it withstands: real kills, and a real mosquitto.

    python -m benchmarks.outbox --json
    python -m benchmarks.outbox --away 600 --rate 1.7 --kills 0 --sounds 0

By turns, a sound's message goes through the outbox and past it. Then a process that decides and delivers is
killed at random moments; then the broker is killed and comes back after --away seconds; then it is stopped,
so that it accepts and does not answer, for --hangs seconds. What is promised is checked, not counted: the
command fails where anything is lost, overtaken, or repeated under another id.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.broker import Mosquitto, find_program
from benchmarks.estimates import percentile
from benchmarks.outbox_delay import measure
from benchmarks.outbox_proofs import kill_often, outage
from benchmarks.report import arguments, publish, tell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from benchmarks.outbox_proofs import Kills, Outage

EVERY_S = 0.03
"""Between two sounds whose messages are timed."""


def delays(folder: Path, broker: Mosquitto, sounds: int) -> dict[str, dict[str, float]]:
    """Return what messages take with the outbox and without it."""
    tell(f"{sounds} sounds through the outbox, as many past it")
    found = asyncio.run(measure(folder, broker, sounds=sounds, every_s=EVERY_S))
    return {"through the outbox": _figures_ms(found.through_s), "past it": _figures_ms(found.past_s)}


def withstood(
    root: Path, broker: Mosquitto, options: argparse.Namespace
) -> tuple[Kills | None, Mapping[str, Outage]]:
    """Return what became of everything that was decided. Raises Broken."""
    killed, outages = None, {}
    if options.kills:
        tell(f"{options.kills} kills")
        killed = kill_often(
            _folder(root, "kills"), broker, kills=options.kills, rate=options.rate, seed=options.seed
        )
    if options.away:
        tell(f"the broker goes away for {options.away:g} s")
        outages["away"] = outage(
            _folder(root, "away"),
            broker,
            lasts_s=options.away,
            rate=options.rate,
            begin=broker.kill,
            end=broker.start,
        )
    if options.hangs:
        tell(f"the broker does not answer for {options.hangs:g} s")
        outages["does not answer"] = outage(
            _folder(root, "hangs"),
            broker,
            lasts_s=options.hangs,
            rate=options.rate,
            begin=broker.pause,
            end=broker.resume,
        )
    return killed, outages


def tables(
    took_ms: Mapping[str, Mapping[str, float]], killed: Kills | None, outages: Mapping[str, Outage]
) -> list[Table]:
    """Lay the figures out for people."""
    delay = Table("", "p50", "p95", "max", title="From a sound to its message, without hearing it")
    for way, took in took_ms.items():
        delay.add_row(way, *(f"{took[name]:.1f} ms" for name in ("p50", "p95", "max")))
    kills = Table(
        "kills", "between two lines", "in its start", "decided", "lost", "repeated, same id", title="kill -9"
    )
    if killed is not None:
        kills.add_row(
            str(killed.kills),
            str(killed.between_lines),
            str(killed.in_start),
            str(killed.decided),
            "0",
            str(killed.repeats),
        )
    away = Table("broker", "for", "waited", "lost", "repeated", "first after", "all after", "memory")
    for name, each in outages.items():
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
    return [delay, kills, away]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments(
        "benchmarks.outbox", "What the durable outbox costs, and what it withstands.", data=False
    )
    parser.add_argument("--sounds", type=int, default=500, help="whose messages are timed, each way")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument(
        "--rate", type=float, default=50.0, help="actions a second while it is killed or cut off"
    )
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
            killed, outages = withstood(root, broker, options)
        finally:
            broker.kill()
    figures = {"delay_ms": took_ms, "rate": options.rate, "kills": killed, "broker": outages}
    return publish("outbox", options, figures, *tables(took_ms, killed, outages))


def _folder(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    return folder


def _figures_ms(times_s: Sequence[float]) -> dict[str, float]:
    figures = {"p50": percentile(times_s, 50), "p95": percentile(times_s, 95), "max": max(times_s)}
    return {name: 1e3 * value for name, value in figures.items()}


if __name__ == "__main__":
    main()
