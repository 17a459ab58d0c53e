r"""Which decision makes most of a few examples: prototypes, CL2N, regression, and blends of them.

    python -m benchmarks.heads --data DIR --where split=valid --profile dog_bark --profile sneeze --json

Each kind of head is fitted to the same five examples of a sound against the background bank, then hears hours
mixed from other places (`benchmarks.mixed_hours`) and clips that it has not met.
The figure is the share of clips that score above what the mixed hours reach once, and four times, an hour.
Heads are chosen on classes of the validation side, never on those kept for the final figures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import load_encoder
from benchmarks.mixed_hours import MixedHours, mixed_hours
from benchmarks.report import publish
from benchmarks.stock import read_stock
from benchmarks.taught import TaughtSound, taught_arguments, taught_sounds
from fewshot_profiles.enrollment import FALSE_ALARMS_PER_HOUR
from fewshot_profiles.fitting import PROTOTYPE_SHARE
from fewshot_profiles.heads import Head, blended, fit_head, prototype_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fewshot_profiles.bank import BackgroundBank

Rows = NDArray[np.float32]
Score = Callable[[Rows], Rows]
RATES_PER_HOUR = (1.0, 4.0)
PROFILES = ("bell", "clapping", "dog_bark", "footsteps", "glass_breaking", "hen", "keyboard_typing", "sneeze")


def prototype(positives: Rows, weights: Rows, bank: BackgroundBank) -> Score:  # noqa: ARG001 - heads share a signature
    """Return the cosine to the mean of the examples."""
    middle = np.average(positives, axis=0, weights=weights)
    middle /= np.linalg.norm(middle)
    return lambda rows: np.asarray(rows @ middle, np.float32)


def cl2n(positives: Rows, weights: Rows, bank: BackgroundBank) -> Score:
    """Return the cosine after the background's mean is taken away, as SimpleShot does."""
    centre = bank.scaling.mean

    def apart(rows: Rows) -> Rows:
        moved = rows - centre
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), np.float32)

    middle = np.average(apart(positives), axis=0, weights=weights)
    middle /= np.linalg.norm(middle)
    return lambda rows: np.asarray(apart(rows) @ middle, np.float32)


def regression(positives: Rows, weights: Rows, bank: BackgroundBank) -> Score:
    """Return logistic regression against the bank."""
    return fit_head(positives, weights, bank.embeddings, bank.scaling).logits


def centred(positives: Rows, weights: Rows, bank: BackgroundBank) -> Score:
    """Return the prototype that profiles use a share of, alone."""
    return prototype_head(positives, weights, bank.scaling).logits


def blend(share: float) -> Callable[[Rows, Rows, BackgroundBank], Score]:
    """Return how to fit the prototype with regression beside it."""

    def fit(positives: Rows, weights: Rows, bank: BackgroundBank) -> Score:
        parts: list[tuple[float, Head]] = [
            (share, prototype_head(positives, weights, bank.scaling)),
            (1.0 - share, fit_head(positives, weights, bank.embeddings, bank.scaling)),
        ]
        return blended(parts, bank.embeddings).logits

    return fit


HEADS: dict[str, Callable[[Rows, Rows, BackgroundBank], Score]] = {
    "prototype": prototype,
    "CL2N": cl2n,
    "centred prototype": centred,
    "regression": regression,
    "blend 0.5": blend(0.5),
    f"blend {PROTOTYPE_SHARE:g} (in use)": blend(PROTOTYPE_SHARE),
    "blend 0.85": blend(0.85),
}


def found_shares(taught: TaughtSound, heard: MixedHours, bank: BackgroundBank) -> dict[str, list[float]]:
    """Return for each head the share of clips over each rate's level."""
    embedded = taught.profile.embedded
    assert embedded.variant is not None
    plain = embedded.variant == 0
    counts = np.bincount(embedded.positive_example[plain])
    weights = (1.0 / counts[embedded.positive_example[plain]]).astype(np.float32)
    pieces = heard.hops[[taught.sound not in held for held in heard.may_contain]]
    hours = heard.hours * len(pieces) / len(heard.hops)
    shares = {}
    for name, fit in HEADS.items():
        score = fit(embedded.positives[plain], weights, bank)
        places = np.sort([score(piece.astype(np.float32)).max() for piece in pieces])[::-1]
        takes = taught.others.peaks(score(taught.others.hops), taught.profile.kind)
        clips = np.array([take[0] for take in takes])
        levels = [places[min(int(rate * hours), len(places) - 1)] for rate in RATES_PER_HOUR]
        shares[name] = [float(np.mean(clips > level)) for level in levels]
    return shares


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = taught_arguments("benchmarks.heads", "Which head makes most of a few examples.", PROFILES)
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    _, bank = read_stock(encoder.id)
    heard = mixed_hours(rows, encoder, hours=options.hours, seed=options.seed)
    every = [
        found_shares(taught, heard, bank)
        for taught in taught_sounds(
            rows,
            options.profile or PROFILES,
            encoder=encoder,
            bank=bank,
            shots=options.shots,
            draws=options.draws,
            seed=options.seed,
            per_hour=FALSE_ALARMS_PER_HOUR,
        )
    ]
    if not every:
        raise SystemExit("none of these rows has enough takes of a sound")
    means = {name: np.mean([shares[name] for shares in every], axis=0).tolist() for name in HEADS}
    lines = Table(
        "head", *(f"found at {rate:g} an hour" for rate in RATES_PER_HOUR), title=f"{len(every)} profiles"
    )
    for name, shares in means.items():
        lines.add_row(name, *(f"{share:.3f}" for share in shares))
    return publish(
        "heads",
        options,
        {
            "found": means,
            "rates_per_hour": RATES_PER_HOUR,
            "profiles": len(every),
            "hours": heard.hours,
            "shots": options.shots,
            "encoder": encoder.id,
        },
        lines,
    )


if __name__ == "__main__":
    main()
