r"""From the last example to a profile that the running daemon listens for, and the audio lost meanwhile.

    python -m benchmarks.teaching_time --data DIR --where split=novel --rounds 5 --json

A `heard run` on one core hears, at the pace of real time, a sound five times on faint noise, over and over:
one clip, from nearer and farther, as an owner rings the one bell that there is. (Five clips of different
things by one name teach, too, where enrolment finds them alike: `--different`.) It knows its home: its sample
of it is full. It is asked to teach from its last half minute, several times. Wall time is from the request to
the answer, which comes when the profile is in force; processor time is that of the daemon, hearing included.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import soundfile
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.estimates import percentile
from benchmarks.mixtures import cut_event, events_of
from benchmarks.operating_curve import PROFILES
from benchmarks.report import arguments, publish
from benchmarks.running import STATE_NAME, RunningDaemon, hops_heard, running_daemon
from daemon.control import ask
from daemon.learning.ear import ambience_files
from detectors.encoders.builtin import BuiltinEncoder
from detectors.types import DETECTION_RATE_HZ, HOP_S
from fewshot_profiles.ambience import ROWS, Ambience, write_ambience
from fewshot_profiles.store import stock_bank
from foundation.errors import HeardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.dataset import Recording

EXAMPLES = 5
EVERY_S = 5.0
LONGEST_S = 2.0
STARTED_WITHIN_S = 60.0
AIM_S = 2.0
LEVELS_DB = (0.0, -6.0, -3.0, -9.0, -1.0)
STREAM = "room"
HOME_HOURS = 100.0


def scene(rows: Sequence[Recording], sound: str, path: Path, *, different: bool = False) -> None:
    """Write a sound five times on faint noise, one every EVERY_S: one clip at LEVELS_DB, or five clips."""
    every = int(EVERY_S * DETECTION_RATE_HZ)
    audio = np.random.default_rng(0).normal(scale=5e-4, size=EXAMPLES * every).astype(np.float32)
    clips = [cut for row in events_of(rows, sound) if (cut := cut_event(row, LONGEST_S)) is not None]
    needed = EXAMPLES if different else 1
    if len(clips) < needed:
        raise SystemExit(f"{len(clips)} clips of {sound} can be heard in these rows; {needed} are needed")
    for number in range(EXAMPLES):
        clip = clips[number if different else 0]
        first = number * every + DETECTION_RATE_HZ
        peak = 0.3 * 10.0 ** (LEVELS_DB[number] / 20.0)
        audio[first : first + len(clip)] += clip * np.float32(peak / max(1e-6, float(np.abs(clip).max())))
    soundfile.write(path, audio, DETECTION_RATE_HZ)


def known_home(state_dir: Path) -> None:
    """Let the daemon find what it would have saved of a home that it knows for long: a full sample."""
    encoder = BuiltinEncoder().id
    bank = stock_bank(encoder)
    rows = np.flatnonzero(bank.ambient)[: 2 * ROWS]
    halves = np.array_split(rows, 2)
    files = ambience_files(state_dir / "ambience", STREAM)
    files[0].parent.mkdir(parents=True)
    for file, half in zip(files, halves, strict=True):
        ambience = Ambience(
            embeddings=bank.embeddings[half],
            stands_for=np.full(len(half), 50.0, np.float32),
            weight=np.ones(len(half), np.float32),
            at_s=time.time() - HOME_HOURS * 3_600.0 * np.linspace(1.0, 0.0, len(half)),
            taken_for=("",) * len(half),
            hours=HOME_HOURS,
        )
        write_ambience(file, ambience, encoder)


def between_sounds(status: Mapping[str, Any]) -> bool:
    """Tell whether the last sound is over and the next one has not begun: a window that cuts none."""
    return 1.0 + LONGEST_S + 0.5 < hops_heard(status) * HOP_S % EVERY_S < EVERY_S - 0.2


def teach_once(daemon: RunningDaemon, number: int) -> dict[str, float]:
    """Teach from the last half minute; return what it took."""
    daemon.wait_for(between_sounds, timeout_s=STARTED_WITHIN_S)
    process = psutil.Process(daemon.process.pid)
    before, began = process.cpu_times(), time.monotonic()
    picked = list(range(1, EXAMPLES + 1))
    request = {"do": "enroll", "name": f"sound_{number}", "last_s": EXAMPLES * EVERY_S, "pick": picked}
    try:
        answer = ask(daemon.state_dir, request)
    except HeardError as error:
        raise SystemExit(f"it was not taught: {error}") from error
    took_s, after = time.monotonic() - began, process.cpu_times()
    assert answer is not None, "the daemon runs"
    return {
        "wall_s": took_s,
        "cpu_s": after.user + after.system - before.user - before.system,
        "examples": float(answer["report"]["examples"]),
    }


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.teaching_time", "From the last example to a profile in force.")
    parser.add_argument("--profile", default=PROFILES[0], help="sound to teach")
    parser.add_argument("--different", action="store_true", help="five clips instead of one, five times")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    core = min(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="heard-teaching-") as folder:
        path = Path(folder) / "scene.wav"
        scene(rows, options.profile, path, different=options.different)
        known_home(Path(folder) / STATE_NAME)
        stream = {"source": "file", "path": str(path), "loop": True}
        with running_daemon(Path(folder), {"streams": {STREAM: stream}}) as daemon:
            os.sched_setaffinity(daemon.process.pid, {core})
            heard = round(EXAMPLES * EVERY_S / HOP_S)
            daemon.wait_for(lambda status: hops_heard(status) > heard, timeout_s=STARTED_WITHIN_S)
            rounds = [teach_once(daemon, number) for number in range(options.rounds)]
            status = daemon.wait_for(lambda _: True, timeout_s=STARTED_WITHIN_S)
    lost = sum(stream["dropped_samples"] for stream in status["streams"])
    wall = [each["wall_s"] for each in rounds]
    cpu = [each["cpu_s"] for each in rounds]
    lines = Table("", "median", "most", title=f"Teaching from {EXAMPLES} examples: {lost} samples lost")
    lines.add_row("request to profile in force, s", f"{percentile(wall, 50):.2f}", f"{max(wall):.2f}")
    lines.add_row("processor time of the daemon, s", f"{percentile(cpu, 50):.2f}", f"{max(cpu):.2f}")
    return publish(
        "teaching_time",
        options,
        {
            "wall_s": percentile(wall, 50),
            "cpu_s": percentile(cpu, 50),
            "worst_wall_s": max(wall),
            "lost_samples": lost,
            "aim_s": AIM_S,
            "rounds": rounds,
        },
        lines,
    )


if __name__ == "__main__":
    main()
