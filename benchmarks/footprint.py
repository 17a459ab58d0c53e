"""What `heard run` takes of a hub with one stream: memory, computing time, and how long it takes to start.

python -m benchmarks.footprint --data DIR --where split=valid --encoder builtin --json
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import soundfile
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP, load_encoder
from benchmarks.report import arguments, publish
from benchmarks.running import encoder_settings, hops_heard, running_daemon

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.encoders import EncoderId

START_TIMEOUT_S = 60.0
MEGABYTE = 1e6
SILENCE_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """One run of the daemon."""

    first_frame_s: float
    """From starting the process to its first hop"""
    resident_mb: float
    own_mb: float
    """Of it, what is shared with nobody"""
    core_share: float | None
    """Of one core, while listening; None where it was stopped at once"""


def measure(
    audio: Path, encoder_name: str, encoder: EncoderId, *, listen_s: float, gate_open: bool
) -> Footprint:
    """Run the daemon once, on a file that it plays in real time."""
    with tempfile.TemporaryDirectory(prefix="heard-footprint-") as name:
        config = {
            "streams": {
                "room": {"source": "file", "path": str(audio.resolve()), "loop": True, "realtime": True}
            },
            "gate": {"always_open": gate_open},
            **encoder_settings(encoder_name, encoder, Path(name)),
        }
        with running_daemon(Path(name), config) as daemon:
            daemon.wait_for(lambda status: hops_heard(status) > 0, timeout_s=START_TIMEOUT_S)
            first_frame_s = time.monotonic() - daemon.launched_s
            process = psutil.Process(daemon.process.pid)
            before = process.cpu_times()
            time.sleep(listen_s)
            after = process.cpu_times()
            memory = process.memory_full_info()
    spent_s = after.user + after.system - before.user - before.system
    return Footprint(
        first_frame_s=first_frame_s,
        resident_mb=memory.rss / MEGABYTE,
        own_mb=memory.uss / MEGABYTE,
        core_share=spent_s / listen_s if listen_s else None,
    )


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.footprint", "Memory and start of `heard run` with one stream.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--listen-s", type=float, default=20.0, help="audio heard before memory is read")
    parser.add_argument("--starts", type=int, default=5)
    options = parser.parse_args(argv)
    longest = max(
        read_recordings(options.data, options.where), key=lambda each: float(each.columns.get("seconds") or 0)
    )
    encoder, name = load_encoder(options.encoder).id, options.encoder
    listening = measure(longest.file, name, encoder, listen_s=options.listen_s, gate_open=True)
    with tempfile.TemporaryDirectory(prefix="heard-silence-") as folder:
        silence = Path(folder) / "silence.wav"
        soundfile.write(silence, np.zeros(10 * SILENCE_RATE_HZ, np.float32), SILENCE_RATE_HZ)
        resting = measure(silence, name, encoder, listen_s=options.listen_s, gate_open=False)
    others = [
        measure(longest.file, name, encoder, listen_s=0.0, gate_open=True) for _ in range(options.starts - 1)
    ]
    starts_s = [run.first_frame_s for run in (listening, *others)]
    return publish(
        "footprint",
        options,
        {
            "resident_mb": listening.resident_mb,
            "own_mb": listening.own_mb,
            "first_frame_s": {"median": median(starts_s), "max": max(starts_s), "all": starts_s},
            "core_share": {"gate_open": listening.core_share, "gate_shut": resting.core_share},
            "audio": longest.columns["path"],
            "listened_s": options.listen_s,
            "encoder": encoder,
        },
        table(listening, resting, starts_s, f"Footprint of heard run, one stream, {encoder.name}"),
    )


def table(listening: Footprint, resting: Footprint, starts_s: Sequence[float], title: str) -> Table:
    """Lay the figures out for people."""
    result = Table("", "", title=title)
    result.add_row("resident while listening", f"{listening.resident_mb:.0f} MB")
    result.add_row("of that not shared", f"{listening.own_mb:.0f} MB")
    for label, run in (("gate open", listening), ("silence, gate shut", resting)):
        if run.core_share is not None:
            result.add_row(f"of one core, {label}", f"{run.core_share:.1%}")
    result.add_row("start to first frame, median", f"{median(starts_s):.2f} s")
    result.add_row(f"start to first frame, longest of {len(starts_s)}", f"{max(starts_s):.2f} s")
    return result


if __name__ == "__main__":
    main()
