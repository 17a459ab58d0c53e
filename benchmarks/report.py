"""What every benchmark says beside its figures, and where it says it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import psutil
from rich.console import Console
from rich.progress import track

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.table import Table

REPOSITORY = Path(__file__).resolve().parents[1]
WIDTH_WITHOUT_TERMINAL = 120
TELL_EVERY_S = 20.0
Item = TypeVar("Item")
RESULTS = REPOSITORY / "benchmarks" / "results"


def arguments(module: str, description: str, *, data: bool = True) -> argparse.ArgumentParser:
    """Return a parser with the options that all benchmarks share."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.set_defaults(load=Load())
    parser.add_argument("--json", action="store_true", help="JSON on standard output, the table on the other")
    parser.add_argument(
        "--results",
        type=Path,
        default=RESULTS,
        help="folder that keeps the JSON (default: benchmarks/results)",
    )
    if data:
        parser.add_argument("--data", type=Path, required=True, help="folder with manifest.csv")
        parser.add_argument(
            "--where",
            action="append",
            default=[],
            metavar="COLUMN=VALUE",
            help="rows to take; different columns narrow, values of one column add up",
        )
    return parser


class Load:
    """How much of the machine others used meanwhile: speeds and latencies suffer from it."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._busy_s, self._own_s = self._read()

    def cores_of_others(self) -> float:
        """Return how many cores were busy since the start, on average, with anything but this benchmark."""
        busy_s, own_s = self._read()
        spent_s = time.monotonic() - self._began_s
        others_s = (busy_s - self._busy_s) - (own_s - self._own_s)
        return round(max(0.0, others_s) / max(spent_s, 1e-3), 2)

    @staticmethod
    def _read() -> tuple[float, float]:
        """Return the seconds of work of all cores, and of them those of this process and its children."""
        all_cores = psutil.cpu_times()
        busy_s = sum(all_cores) - all_cores.idle - getattr(all_cores, "iowait", 0.0)
        # The kernel counts what runs for guests twice.
        busy_s -= getattr(all_cores, "guest", 0.0) + getattr(all_cores, "guest_nice", 0.0)
        return busy_s, sum(os.times()[:4])


def tell(text: str) -> None:
    """Say how far a benchmark is, beside its result."""
    print(text, file=sys.stderr, flush=True)


def progress(items: Sequence[Item], what: str) -> Iterable[Item]:
    """Go through the items and show how far it is: as a bar on a terminal, else as a line now and then."""
    console = Console(stderr=True)
    if console.is_terminal:
        return track(items, what, console=console, transient=True)
    return _told(items, what)


def _told(items: Sequence[Item], what: str) -> Iterator[Item]:
    told_s = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - told_s > TELL_EVERY_S:
            tell(f"{what}: {number} of {len(items)}")
            told_s = time.monotonic()
        yield item


def publish(
    name: str, options: argparse.Namespace, figures: Mapping[str, Any], *tables: Table
) -> dict[str, Any]:
    """Print the tables, keep the figures as JSON with what they were made from, and return that."""
    result = {"benchmark": name, **_plain(figures), "environment": environment(options)}
    out = sys.stderr if options.json else sys.stdout
    console = Console(file=out, width=None if out.isatty() else WIDTH_WITHOUT_TERMINAL)
    for table in tables:
        console.print(table)
    where = result["environment"]
    console.print(
        f"{where['cpu']}, {where['cores']} cores, {where['cores_of_others']:.2f} of them busy with other work"
        f" · {where['commit']} · {where['date']}",
        style="dim",
    )
    text = json.dumps(result, indent=2, ensure_ascii=False)
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if options.json:
        sys.stdout.write(text + "\n")
    return result


def environment(options: argparse.Namespace) -> dict[str, Any]:
    """Say which machine, code, data and command made a figure."""
    data: Path | None = getattr(options, "data", None)
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "cores_of_others": options.load.cores_of_others(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "commit": _commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": data.resolve().name if data else None,
        "where": getattr(options, "where", []),
        "command": _command(),
    }


def _plain(value: Any) -> Any:
    """Turn dataclasses into dictionaries, however deep they lie."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _command() -> str:
    """Return the command as it was typed, with the script's path turned back into a module."""
    script = Path(sys.argv[0])
    words: Sequence[str] = sys.argv[1:]
    return shlex.join(["python", "-m", f"{script.parent.name}.{script.stem}", *words])


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith(("model name", "Model")):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
