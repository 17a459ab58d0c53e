r"""Whether scores are probabilities: expected calibration error of taught profiles.

    python -m benchmarks.calibration --data DIR --where split=valid --where split=novel --json

Sounds are taught from five clips. Their scores for clips that they have not met, and for hours mixed from
places without them, are weighed so that one moment in twenty holds the sound, the share that scores assume.
In ten equal bins of the score, the share of moments that hold the sound is held against the mean score.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import load_encoder
from benchmarks.mixed_hours import mixed_hours
from benchmarks.operating_curve import PROFILES
from benchmarks.report import publish
from benchmarks.stock import read_stock
from benchmarks.taught import taught_arguments, taught_sounds
from fewshot_profiles.calibration import PRIOR, sigmoid
from fewshot_profiles.enrollment import FALSE_ALARMS_PER_HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BINS = 10


def reliability(
    scores: NDArray[np.float64], holds: NDArray[np.bool_], weights: NDArray[np.float64]
) -> list[dict[str, float]]:
    """Return for each bin its share of all moments, its mean score and the share that holds the sound."""
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    found = []
    for number in range(BINS):
        mine = bins == number
        total = float(weights[mine].sum())
        if total:
            found.append(
                {
                    "share": total / float(weights.sum()),
                    "score": float(np.average(scores[mine], weights=weights[mine])),
                    "holds": float(np.average(holds[mine], weights=weights[mine])),
                }
            )
    return found


def calibration_error(bins: Sequence[dict[str, float]]) -> float:
    """Return the expected calibration error."""
    return sum(each["share"] * abs(each["score"] - each["holds"]) for each in bins)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = taught_arguments(
        "benchmarks.calibration", "Expected calibration error of taught profiles.", PROFILES
    )
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    stock, bank = read_stock(encoder.id)
    heard = mixed_hours(rows, encoder, hours=options.hours, seed=options.seed)
    every: list[tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.float64]]] = []
    errors: dict[str, float] = {}
    for taught in taught_sounds(
        rows,
        options.profile or PROFILES,
        encoder=encoder,
        bank=bank,
        stock=stock,
        shots=options.shots,
        draws=options.draws,
        seed=options.seed,
        per_hour=FALSE_ALARMS_PER_HOUR,
    ):
        allowed = [taught.sound not in held for held in heard.may_contain]
        places = heard.hops[allowed].reshape(-1, heard.hops.shape[2])[::4].astype(np.float32)
        head = taught.profile.detector.head
        scores = np.concatenate([sigmoid(head.logits(taught.others.hops)), sigmoid(head.logits(places))])
        count = len(taught.others.hops)
        holds = np.arange(len(scores)) < count
        clips = taught.others.weights().astype(np.float64)
        weights = np.concatenate(
            [PRIOR * clips / clips.sum(), np.full(len(places), (1 - PRIOR) / len(places))]
        )
        every.append((scores, holds, weights))
        errors[f"{taught.sound} {taught.draw}"] = calibration_error(reliability(scores, holds, weights))
    if not every:
        raise SystemExit("none of these rows has enough takes of a sound")
    pooled = reliability(*(np.concatenate(parts) for parts in zip(*every, strict=True)))
    error = calibration_error(pooled)
    lines = Table("score", "holds the sound", "share of moments", title=f"Calibration error {error:.3f}")
    for each in pooled:
        lines.add_row(f"{each['score']:.3f}", f"{each['holds']:.3f}", f"{each['share']:.4f}")
    return publish(
        "calibration",
        options,
        {
            "expected_calibration_error": error,
            "mean_of_profiles": float(np.mean(list(errors.values()))),
            "worst": max(errors.values()),
            "profiles": errors,
            "bins": pooled,
            "prior": PRIOR,
            "hours": heard.hours,
            "different_minutes": heard.different_minutes,
            "encoder": encoder.id,
        },
        lines,
    )


if __name__ == "__main__":
    main()
