"""What `heard run` takes of a hub: memory with one stream, and time from start to the first frame.

python -m benchmarks.footprint --data DIR --json
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import psutil
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.report import arguments, publish
from benchmarks.running import hops_heard, running_daemon

if TYPE_CHECKING:
    from collections.abc import Sequence

START_TIMEOUT_S = 60.0
MEGABYTE = 1e6


def measure(audio: Path, *, listen_s: float) -> tuple[float, float, float]:
    """Run the daemon once; return start to first frame in seconds, then resident and own memory in MB."""
    with tempfile.TemporaryDirectory(prefix="heard-footprint-") as name:
        stream = {"source": "file", "path": str(audio.resolve()), "loop": True, "realtime": True}
        with running_daemon(Path(name), {"streams": {"room": stream}}) as daemon:
            daemon.wait_for(lambda status: hops_heard(status) > 0, timeout_s=START_TIMEOUT_S)
            first_frame_s = time.monotonic() - daemon.launched_s
            time.sleep(listen_s)
            memory = psutil.Process(daemon.process.pid).memory_full_info()
    return first_frame_s, memory.rss / MEGABYTE, memory.uss / MEGABYTE


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.footprint", "Memory and start of `heard run` with one stream.")
    parser.add_argument("--listen-s", type=float, default=20.0, help="audio heard before memory is read")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args(argv)
    longest = max(
        read_recordings(options.data, options.where), key=lambda each: float(each.columns.get("seconds") or 0)
    )
    runs = [
        measure(longest.file, listen_s=options.listen_s if run == 0 else 0.0) for run in range(options.starts)
    ]
    _, resident_mb, own_mb = runs[0]
    starts_s = [run[0] for run in runs]
    table = Table("", "", title="Footprint of heard run, one stream")
    table.add_row(f"resident after {options.listen_s:.0f} s", f"{resident_mb:.0f} MB")
    table.add_row("of that not shared", f"{own_mb:.0f} MB")
    table.add_row("start to first frame, median", f"{median(starts_s):.2f} s")
    table.add_row(f"start to first frame, longest of {len(runs)}", f"{max(starts_s):.2f} s")
    return publish(
        "footprint",
        options,
        {
            "resident_mb": resident_mb,
            "own_mb": own_mb,
            "first_frame_s": {"median": median(starts_s), "max": max(starts_s), "all": starts_s},
            "audio": longest.columns["path"],
            "listened_s": options.listen_s,
        },
        table,
    )


if __name__ == "__main__":
    main()
