"""How many streams one core hears in real time, none of them late.

    python -m benchmarks.throughput --data DIR --where split=valid --encoder builtin --json

Every stream plays other recordings, at the rate they were stored at, through the daemon's whole chain. A step
is late when its 80 ms of audio have been there for more than another 80 ms before they are worked through.
`streams` is counted with the gate open at all times, `streams_gated` with the gate as it ships. On a machine
with other work a number that was not held is tried once more.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP
from benchmarks.estimates import percentile
from benchmarks.hearing import stock_listener
from benchmarks.report import arguments, publish, tell
from detectors.gate import GateSettings
from detectors.types import DETECTION_RATE_HZ, HOP_S, HOP_SAMPLES, AudioBlock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.dataset import Recording
    from benchmarks.hearing import Listener
    from daemon.pipeline import Pipeline
    from detectors.types import Samples

FEWEST = 8
JOINING_STEPS = 6
"""Streams join in turn, so that networks that rest between hops do not all run at the same one."""
TRIES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """What one stream plays: whole steps of one rate."""

    steps: Samples
    """float32 [steps, samples of 80 ms]"""
    rate_hz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One number of streams, heard for a while."""

    streams: int
    late_steps: int
    step_ms_median: float
    step_ms_max: float
    encoder_share: float
    """Of the hops, how many passed the gate."""

    @property
    def ms_per_stream_second(self) -> float:
        """Computing time for one second of one stream."""
        return self.step_ms_median / self.streams / HOP_S


def make_feeds(recordings: Sequence[Recording], *, count: int, seconds: float) -> list[Feed]:
    """String recordings together; each stream begins with another one and keeps to that one's rate."""
    chosen = np.random.default_rng(0).permutation(len(recordings))[:count]
    loaded = [recordings[int(at)].load() for at in chosen]
    feeds = []
    for number in range(count):
        _, rate_hz = loaded[number % len(loaded)]
        step = HOP_SAMPLES * rate_hz // DETECTION_RATE_HZ
        wanted = round(seconds / HOP_S) * step
        pieces: list[Samples] = []
        following = islice(cycle(loaded), number % len(loaded), None)
        while sum(map(len, pieces)) < wanted:
            samples, rate = next(following)
            if rate == rate_hz:
                pieces.append(samples[0, :wanted])
        feeds.append(Feed(steps=np.concatenate(pieces)[:wanted].reshape(-1, step), rate_hz=rate_hz))
    return feeds


def play(pipeline: Pipeline, feeds: Sequence[Feed], *, seconds: float, paced: bool) -> Trial:
    """Let the chain hear the feeds side by side, at the speed of real time or at once."""
    steps = round(seconds / HOP_S)
    names = [f"stream {number}" for number in range(len(feeds))]
    for name, feed in zip(names, feeds, strict=True):
        pipeline.open(name, rate_hz=feed.rate_hz, channels=1, epoch_s=0.0)
    spent_s, late = [], 0
    began_s = time.perf_counter()
    for step in range(steps):
        there_s = began_s + (step + 1) * HOP_S
        if paced:
            time.sleep(max(0.0, there_s - time.perf_counter()))
        at_s = time.perf_counter()
        pipeline.accept(
            {
                name: AudioBlock(
                    samples=feed.steps[own][None], rate_hz=feed.rate_hz, start=own * feed.steps.shape[1]
                )
                for number, (name, feed) in enumerate(zip(names, feeds, strict=True))
                if (own := step - number % JOINING_STEPS) >= 0
            }
        )
        done_s = time.perf_counter()
        spent_s.append(done_s - at_s)
        late += paced and done_s > there_s + HOP_S
    readings = [reading for name in names if (reading := pipeline.reading(name)) is not None]
    for name in names:
        pipeline.close(name)
    return Trial(
        streams=len(feeds),
        late_steps=late,
        step_ms_median=1e3 * percentile(spent_s, 50),
        step_ms_max=1e3 * max(spent_s),
        encoder_share=sum(each.encoder_hops for each in readings)
        / max(1, sum(each.hops for each in readings)),
    )


def largest(
    listener: Listener, feeds: Sequence[Feed], *, seconds: float, gate_settings: GateSettings
) -> list[Trial]:
    """Close in on the largest number of streams without a late step; return every trial."""
    trials: list[Trial] = []

    def keeps_up(streams: int) -> bool:
        for _ in range(TRIES):
            pipeline = listener.pipeline(gate_settings)
            trials.append(play(pipeline, feeds[:streams], seconds=seconds, paced=True))
            tell(f"{streams} streams: {trials[-1].late_steps} late steps")
            if trials[-1].late_steps == 0:
                return True
        return False

    # What happens once, such as planning the network, is over before the clock starts.
    unpaced = play(listener.pipeline(gate_settings), feeds[:FEWEST], seconds=seconds, paced=False)
    likely = int(1e3 / unpaced.ms_per_stream_second)
    good, bad = 0, len(feeds) + 1
    at = min(max(FEWEST, likely), len(feeds))
    while bad - good > max(1, good // 20):
        if keeps_up(at):
            good = at
            at = min(2 * at, len(feeds)) if bad > len(feeds) else (good + bad) // 2
        else:
            bad = at
            at = (good + bad) // 2
        if good == len(feeds):
            break
    return trials


def most_held(trials: Sequence[Trial]) -> int:
    """Return the largest number of streams that was heard without a late step."""
    return max((trial.streams for trial in trials if trial.late_steps == 0), default=0)


@contextmanager
def one_core() -> Iterator[int]:
    """Keep this process and the threads it starts on one core; give its number."""
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, allowed)


def table(trials: Sequence[Trial], title: str) -> Table:
    """Lay the trials out for people."""
    result = Table(
        "streams", "late steps", "median step", "longest step", "ms per s of audio", "past the gate",
        title=title,
    )  # fmt: skip
    for trial in sorted(trials, key=lambda each: each.streams):
        result.add_row(
            str(trial.streams),
            str(trial.late_steps),
            f"{trial.step_ms_median:.1f} ms",
            f"{trial.step_ms_max:.1f} ms",
            f"{trial.ms_per_stream_second:.2f}",
            f"{trial.encoder_share:.0%}",
        )
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.throughput", "Streams heard in real time on one core.")
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--seconds", type=float, default=10.0, help="of audio in each trial")
    parser.add_argument("--most", type=int, default=600, help="streams to try at most")
    options = parser.parse_args(argv)
    recordings = read_recordings(options.data, options.where)
    gates = {"gate open": GateSettings(always_open=True), "gated": GateSettings()}
    with one_core() as core:
        listener = stock_listener(options.encoder)
        feeds = make_feeds(recordings, count=options.most, seconds=options.seconds)
        trials = {
            name: largest(listener, feeds, seconds=options.seconds, gate_settings=settings)
            for name, settings in gates.items()
        }
    return publish(
        "throughput",
        options,
        {
            "streams": most_held(trials["gate open"]),
            "streams_gated": most_held(trials["gated"]),
            "core": core,
            "seconds": options.seconds,
            "trials": trials,
            "ms_per_stream_second": min(trial.ms_per_stream_second for trial in trials["gate open"]),
            "ms_per_stream_second_gated": min(trial.ms_per_stream_second for trial in trials["gated"]),
            "encoder": listener.encoder.id,
        },
        *(
            table(each, f"Throughput on core {core}, {listener.encoder.id.name}, {name}")
            for name, each in trials.items()
        ),
    )


if __name__ == "__main__":
    main()
