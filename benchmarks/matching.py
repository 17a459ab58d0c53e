r"""What matching costs beside the encoder: many profiles, many streams, one core.

python -m benchmarks.matching --encoder builtin --profiles 200 --streams 64 --json
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.encoders import HELP, load_encoder
from benchmarks.report import arguments, publish
from benchmarks.stock import read_stock
from detectors.types import HOP_SAMPLES
from fewshot_profiles.matcher import Matcher

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 60
AIM = 0.1
"""Of the encoder's time."""


def median_s(work: Callable[[], object]) -> float:
    """Return the median time of one call, after some to warm up."""
    for _ in range(5):
        work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = arguments("benchmarks.matching", "Matching beside the encoder.", data=False)
    parser.add_argument("--encoder", default="builtin", help=HELP)
    parser.add_argument("--profiles", type=int, default=200)
    parser.add_argument("--streams", type=int, default=64)
    options = parser.parse_args(argv)
    encoder = load_encoder(options.encoder)
    stock, _ = read_stock(encoder.id)
    profiles = [replace(stock[n % len(stock)], name=f"profile_{n}") for n in range(options.profiles)]
    matcher = Matcher(profiles)
    rng = np.random.default_rng(0)
    states = np.repeat(encoder.initial_state()[None], options.streams, axis=0)
    hops = rng.normal(scale=0.05, size=(options.streams, HOP_SAMPLES)).astype(np.float32)
    _, embeddings = encoder.step(states, hops)
    encoding_s = median_s(lambda: encoder.step(states, hops))
    matching_s = median_s(lambda: matcher.score(embeddings))
    share = matching_s / encoding_s
    lines = Table("step of 80 ms", "milliseconds", title=f"Matching costs {share:.1%} of the encoder")
    lines.add_row(f"encoder, {options.streams} streams", f"{1e3 * encoding_s:.2f}")
    lines.add_row(f"matching, {options.profiles} profiles", f"{1e3 * matching_s:.3f}")
    return publish(
        "matching",
        options,
        {
            "share_of_encoder": share,
            "aim": AIM,
            "encoder_ms": 1e3 * encoding_s,
            "matching_ms": 1e3 * matching_s,
            "profiles": options.profiles,
            "streams": options.streams,
            "encoder": encoder.id,
        },
        lines,
    )


if __name__ == "__main__":
    main()
