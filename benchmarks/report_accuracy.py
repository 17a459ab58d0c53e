r"""The recall that a profile's report foretells by leave-one-out, against that on clips it has not met.

    python -m benchmarks.report_accuracy --data DIR --where split=novel --encoder builtin --json

At three thresholds: for one false alarm a week, what enrolment does by itself, for 0.1 and for 1 an hour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from benchmarks.dataset import read_recordings
from benchmarks.encoders import load_encoder
from benchmarks.operating_curve import PROFILES
from benchmarks.report import publish
from benchmarks.stock import read_stock
from benchmarks.taught import TaughtSound, taught_arguments, taught_sounds
from fewshot_profiles.calibration import logit
from fewshot_profiles.enrollment import FALSE_ALARMS_PER_HOUR, Surroundings
from fewshot_profiles.refitting import fit_again
from fewshot_profiles.report import recall_of

if TYPE_CHECKING:
    from collections.abc import Sequence

RATES_PER_HOUR = (FALSE_ALARMS_PER_HOUR, 0.1, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """One profile's account of itself, and the truth."""

    sound: str
    rate_per_hour: float
    foretold: float
    found: float
    clips: int

    @property
    def difference(self) -> float:
        """How far the report is from the truth."""
        return abs(self.foretold - self.found)


def foretell(taught: TaughtSound, per_hour: float, surroundings: Surroundings) -> Foretold | None:
    """Hold a report at the threshold for a rate against clips that were not met; None with one example."""
    stated = None if per_hour == FALSE_ALARMS_PER_HOUR else per_hour
    profile, fit = fit_again(replace(taught.profile, promise_per_hour=stated), surroundings)
    if fit.held_out is None:
        return None
    edge = logit(profile.threshold)
    peaks = taught.peaks(profile)
    return Foretold(
        sound=taught.sound,
        rate_per_hour=per_hour,
        foretold=recall_of(fit.held_out, edge).value,
        found=float(np.mean(peaks >= edge)),
        clips=len(peaks),
    )


def table(foretold: Sequence[Foretold], title: str) -> Table:
    """Lay the comparison out for people."""
    result = Table("sound", "false alarms an hour", "foretold", "found", "clips", title=title)
    for each in foretold:
        result.add_row(
            each.sound,
            f"{each.rate_per_hour:.3g}",
            f"{each.foretold:.2f}",
            f"{each.found:.2f}",
            str(each.clips),
        )
    return result


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Run the benchmark and return what it published."""
    parser = taught_arguments(
        "benchmarks.report_accuracy",
        "Recall foretold by leave-one-out, and found.",
        PROFILES,
        draws=3,
        hours=None,
    )
    options = parser.parse_args(argv)
    rows = read_recordings(options.data, options.where)
    encoder = load_encoder(options.encoder)
    stock, bank = read_stock(encoder.id)
    foretold: list[Foretold] = []
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
        surroundings = Surroundings(
            encoder=encoder, bank=bank, others=tuple(each for each in stock if each.name != taught.sound)
        )
        foretold += [told for rate in RATES_PER_HOUR if (told := foretell(taught, rate, surroundings))]
    if not foretold:
        raise SystemExit("none of these rows has enough takes of a sound")
    differences = {
        f"{per_hour:.3g}": float(np.mean([e.difference for e in foretold if e.rate_per_hour == per_hour]))
        for per_hour in RATES_PER_HOUR
    }
    mean = float(np.mean([each.difference for each in foretold]))
    bias = float(np.mean([each.foretold - each.found for each in foretold]))
    return publish(
        "report_accuracy",
        options,
        {
            "mean_absolute_difference": mean,
            "bias": bias,
            "by_rate": differences,
            "profiles": foretold,
            "shots": options.shots,
            "draws": options.draws,
            "encoder": encoder.id,
        },
        table(foretold, f"Recall foretold and found: {mean:.3f} apart on the average, {bias:+.3f} too high"),
    )


if __name__ == "__main__":
    main()
