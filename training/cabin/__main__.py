"""Make the two profiles of speech in and outside a car, from the simulation.

    python -m training.cabin --data DIR

The training side of the simulation is rendered into `training/work/cabin`, and what its cues are is kept
there, too; as long as neither its code nor the recordings change, a second run only fits. Encoders have no
part in it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from detectors.cabin_cues import cue_id
from fewshot_profiles.cabin import CABIN_FOLDER, INSIDE, OUTSIDE
from fewshot_profiles.folder import write_profile
from fewshot_profiles.heads import Scaling, fit_head
from fewshot_profiles.profile import Detector, Embedded, Example, Profile
from training.cabin.hearing import SideCues, hear_side
from training.cabin.noises import MUSIC_LABELS, STREET_LABELS
from training.cabin.sides import CARS, WORK, side_rows
from training.recordings import Row, may_teach
from training.stock_bank import write_provenance

L2 = 0.02
THRESHOLD = 0.5
STORED_ROWS = 64
DESCRIPTIONS = {INSIDE: "Somebody speaking in the car", OUTSIDE: "Somebody speaking outside the car"}


def main(argv: Sequence[str] | None = None) -> None:
    """Render what is not there yet, fit, and write the profiles."""
    parser = argparse.ArgumentParser(
        prog="python -m training.cabin", description="Fit the profiles of speech in and outside a car."
    )
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds manifest.csv")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=CABIN_FOLDER)
    parser.add_argument("--cars", type=int, default=CARS["train"])
    options = parser.parse_args(argv)
    started = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    heard = hear_side(options.data, "train", options.cars, options.work, progress)
    recordings = [row for row in side_rows(options.data, "train") if row.label == "speech"]
    for name in (INSIDE, OUTSIDE):
        for microphones in (1, 2):
            profile = fit(name, microphones, heard, recordings)
            folder = options.out / name
            write_profile(profile, options.out, encoders_from=folder if microphones > 1 else None)
    write_provenance(options.out / "background.yaml", _noise_rows(options.data))
    progress(f"wrote {INSIDE} and {OUTSIDE} to {options.out}")


def fit(name: str, microphones: int, heard: SideCues, recordings: Sequence[Row]) -> Profile:
    """Fit one profile against the other talker and against nobody."""
    assert all(may_teach(row) for row in recordings)
    rows = heard.rows
    cues, speech, inside = rows.of(microphones), heard.speech[rows.scene], heard.inside[rows.scene]
    mine = speech & (inside == (name == INSIDE))
    head = fit_head(
        cues[mine], np.ones(int(mine.sum()), np.float32), cues[~mine], Scaling.of(cues[speech]), L2
    )
    kept = np.flatnonzero(mine & rows.last)[:STORED_ROWS]
    return Profile(
        name=name,
        description=DESCRIPTIONS[name],
        tags=("speech", "cabin"),
        kind="sustained",
        threshold_override=None,
        examples=tuple(
            Example(source=row.source, path=row.path, licence=row.licence, attribution=row.attribution)
            for row in recordings
        ),
        embedded=Embedded(
            positives=cues[kept],
            positive_example=np.zeros(len(kept), np.int32),
            negatives=np.zeros((0, cues.shape[1]), np.float32),
        ),
        detector=Detector(encoder=str(cue_id(microphones)), head=head, threshold=THRESHOLD),
    )


def _noise_rows(data: Path) -> list[Row]:
    return [row for row in side_rows(data, "train") if row.label in STREET_LABELS | MUSIC_LABELS]


if __name__ == "__main__":
    main()
