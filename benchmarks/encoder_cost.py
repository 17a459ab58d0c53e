"""What an encoder costs for a second of sound: one thread, one core, everything from samples to embedding.

    python -m benchmarks.encoder_cost --data DIR --where split=valid --encoder builtin --encoder yamnet --json

Many streams of real recordings advance in one call. All encoders take turns in one process, several times, so
that whatever else the machine does meets them alike: the best round counts, the median stands beside it. An
encoder that rests between hops is measured as it is used, and once more without its rests.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import HELP, load_encoder
from benchmarks.mixtures import mono
from benchmarks.report import arguments, progress, publish
from benchmarks.throughput import one_core
from detectors.types import HOP_S, HOP_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.dataset import Recording
    from detectors.encoders import Encoder, EncoderId
    from detectors.types import Samples

ENCODERS = ("builtin", "mn04", "yamnet")
WARM_UP_HOPS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Milliseconds of one core for a second of one stream."""

    encoder: EncoderId
    best_ms: float
    median_ms: float
    against_first: float
    """The best round, as a multiple of the first encoder's"""


def streams_of(recordings: Sequence[Recording], *, streams: int, hops: int) -> Samples:
    """Cut `streams` pieces out of the recordings, each from another one: [hops, streams, HOP_SAMPLES]."""
    rng = np.random.default_rng(0)
    order = rng.permutation(len(recordings))
    pieces = []
    for number in range(streams):
        audio = mono(recordings[int(order[number % len(order)])])
        first = int(rng.integers(max(1, len(audio) - hops * HOP_SAMPLES + 1)))
        pieces.append(np.resize(audio[first:], hops * HOP_SAMPLES).reshape(hops, HOP_SAMPLES))
    return np.ascontiguousarray(np.stack(pieces, axis=1))


def spend(encoder: Encoder, audio: Samples) -> float:
    """Return the milliseconds for a second of one stream, in one round over the audio."""
    heard_s: float = audio.shape[1] * (len(audio) - WARM_UP_HOPS) * HOP_S
    states = np.repeat(encoder.initial_state()[None], audio.shape[1], axis=0)
    for hops in audio[:WARM_UP_HOPS]:
        states, _ = encoder.step(states, hops)
    began_s = time.perf_counter()
    for hops in audio[WARM_UP_HOPS:]:
        states, _ = encoder.step(states, hops)
    spent_s = time.perf_counter() - began_s
    return 1e3 * spent_s / heard_s


def measure(encoders: dict[str, Encoder], audio: Samples, *, rounds: int) -> dict[str, Cost]:
    """Let the encoders take turns."""
    spent: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in progress(range(rounds), "Rounds"):
        for name, encoder in encoders.items():
            spent[name].append(spend(encoder, audio))
    first = min(next(iter(spent.values())))
    return {
        name: Cost(
            encoder=encoders[name].id,
            best_ms=min(times),
            median_ms=median(times),
            against_first=min(times) / first,
        )
        for name, times in spent.items()
    }


def load_all(names: Sequence[str]) -> dict[str, Encoder]:
    """Load the encoders, and those that rest between hops a second time, so that they do not."""
    found: dict[str, Encoder] = {}
    for name in names:
        as_used, restless = load_encoder(name), load_encoder(name, each_hop=True)
        found[name] = as_used
        if restless.id != as_used.id:
            found[f"{name}, each hop"] = restless
    return found


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.encoder_cost", "Computing time of encoders for a second of sound.")
    parser.add_argument(
        "--encoder", action="append", help=f"{HELP}; several times (default: {' '.join(ENCODERS)})"
    )
    parser.add_argument("--streams", type=int, default=64, help="that advance in one call")
    parser.add_argument("--seconds", type=float, default=4.8, help="of sound in a round, after warming up")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args(argv)
    hops = WARM_UP_HOPS + max(1, round(options.seconds / HOP_S))
    with one_core() as core:
        audio = streams_of(read_recordings(options.data, options.where), streams=options.streams, hops=hops)
        costs = measure(load_all(options.encoder or ENCODERS), audio, rounds=options.rounds)
    table = Table(
        "encoder", "best", "median", "times the first",
        title=f"Milliseconds for a second of sound, {options.streams} streams, core {core}",
    )  # fmt: skip
    for name, cost in costs.items():
        table.add_row(name, f"{cost.best_ms:.2f}", f"{cost.median_ms:.2f}", f"{cost.against_first:.2f}")
    return publish(
        "encoder_cost",
        options,
        {
            "costs": costs,
            "streams": options.streams,
            "hop_ms": 1e3 * HOP_S,
            "rounds": options.rounds,
            "core": core,
        },
        table,
    )


if __name__ == "__main__":
    main()
