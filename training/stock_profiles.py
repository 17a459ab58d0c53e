"""Make the profiles that ship, and the background bank, for the builtin encoder.

    python -m training.stock_profiles --data DIR

Heads are made from rows with `ships=yes` and `split=train` alone. Thresholds, and the choice of profiles,
also look at `split=valid`; nothing of its audio enters what ships. Audio and embeddings are kept in
`training/work`, the latter by the encoder's digest, so that a second run takes a minute.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detectors.encoders.builtin import BuiltinEncoder
from fewshot_profiles.calibration import sigmoid
from fewshot_profiles.folder import write_profile
from fewshot_profiles.profile import Detector, Embedded, Example, Profile
from fewshot_profiles.store import BANK_NAME, STOCK_FOLDER
from training.recordings import may_teach
from training.stock_bank import make_bank, write_provenance
from training.stock_catalogue import CATALOGUE
from training.stock_fitting import Evidence, background_scaling, gather, thresholds
from training.stock_recordings import heard_by

if TYPE_CHECKING:
    from collections.abc import Sequence

    from detectors.encoders import Encoder, EncoderId
    from training.stock_embeddings import Heard

WORK = Path(__file__).parent / "work"

FALSE_ALARMS_PER_HOUR = 5.5
"""All stock profiles together, as expected; thresholds follow from it. The estimate counts near misses
in part and errs on the wide side: half of it was heard on `valid`."""

HELD_OUT_RECALL = 0.5
MOST_PER_HOUR = 0.4
"""What hears less of its recordings, or is expected to be wrong more often, ships only if it must."""

LEFT_OUT = frozenset({"insects"})
"""Taken for what it is not where no recording of ours would show it: many voices at once."""

FEWEST_PROFILES = 23
STORED_POSITIVES = 64
MUST_SHIP = frozenset(
    [
        "glass_breaking",
        "baby_crying",
        "finger_snap",
        "cough",
        "clapping",
        "door_knock",
        "dog_bark",
        "siren",
        "car_horn",
        "alarm_beep",
        "speech",
        "engine",
        "snoring",
        "laughing",
        "footsteps",
        "vacuum_cleaner",
    ]
)


_CARD_HEAD = """# Stock profiles

Made for encoder `{encoder}` by `python -m training.stock_profiles --data DIR`.

Heads are fitted on `split=train` recordings that may ship (CC0, public domain, CC-BY, DbCL) and, for
{synthesised}, on the project's own synthesis. Each `profile.yaml` names its recordings,
licences and authors; `background.yaml` names those of the background bank. Thresholds were chosen with
`split=valid` in view. Recall is the share of clips with enough score near an onset, and "expected" counts
near misses in part; the figures of the whole chain come from `benchmarks.recall` and
`benchmarks.false_alarms`.
"""


def main(argv: Sequence[str] | None = None, *, encoder: Encoder | None = None) -> None:
    """Run the whole recipe, for the builtin encoder or, to compare it with, another one."""
    parser = argparse.ArgumentParser(prog="python -m training.stock_profiles", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds manifest.csv")
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--out", type=Path, default=STOCK_FOLDER)
    parser.add_argument("--false-alarms-per-hour", type=float, default=FALSE_ALARMS_PER_HOUR)
    options = parser.parse_args(argv)
    options.work.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()

    def progress(text: str) -> None:
        print(f"[{time.monotonic() - started:4.0f} s] {text}", flush=True)

    encoder = encoder or BuiltinEncoder()
    train, valid, mixed = heard_by(encoder, options.data, options.work, progress)
    scaling = background_scaling(train)
    evidence = []
    for stock in CATALOGUE:
        if stock.name in LEFT_OUT:
            continue
        evidence.append(gather(stock, train, valid, mixed, scaling))
        progress(f"fitted {stock.name}")
    kept = _choose(evidence, options.false_alarms_per_hour)
    for folder in options.out.glob("*/"):
        shutil.rmtree(folder)
    for each, threshold in kept:
        write_profile(_profile(encoder.id, each, threshold, train), options.out)
    bank, rows = make_bank(encoder.id, train, [each.head for each, _ in kept], scaling)
    assert all(may_teach(row) for row in rows)
    bank.write(options.out / BANK_NAME)
    write_provenance(options.out / "background.yaml", rows)
    left_out = sorted({stock.name for stock in CATALOGUE} - {each.stock.name for each, _ in kept})
    card = _card(kept, left_out, encoder.id)
    (options.out / "README.md").write_text(card, encoding="utf-8")
    print(card)
    progress(f"wrote {len(kept)} profiles and {len(bank.embeddings)} rows of background to {options.out}")


def _choose(evidence: Sequence[Evidence], per_hour: float) -> list[tuple[Evidence, float]]:
    """Return what is worth shipping, with thresholds; what is dropped leaves its share to the others."""
    while True:
        chosen = list(zip(evidence, thresholds(evidence, per_hour), strict=True))
        poor = [
            (each.recall(threshold) - each.rate(threshold), each)
            for each, threshold in chosen
            if each.stock.name not in MUST_SHIP
            and (each.recall(threshold) < HELD_OUT_RECALL or each.rate(threshold) > MOST_PER_HOUR)
        ]
        if not poor or len(evidence) <= FEWEST_PROFILES:
            return chosen
        _, poorest = min(poor, key=lambda pair: pair[0])
        evidence = [each for each in evidence if each is not poorest]


def _profile(encoder: EncoderId, evidence: Evidence, threshold: float, train: Heard) -> Profile:
    stock = evidence.stock
    clips = [
        number for number, row in enumerate(train.clips) if row.label in stock.labels and train.plain[number]
    ]
    rows = {train.clips[number].path: train.clips[number] for number in clips}
    assert all(may_teach(row) for row in rows.values())
    numbers = {path: number for number, path in enumerate(rows)}
    hops = np.concatenate(
        [train.span(number).start + np.flatnonzero(train.active[train.span(number)]) for number in clips]
    )
    stored = hops[np.linspace(0, len(hops) - 1, min(STORED_POSITIVES, len(hops))).astype(int)]
    example = [numbers[train.clips[clip].path] for clip in train.clip_of_hop[stored]]
    return Profile(
        name=stock.name,
        description=stock.description,
        tags=stock.tags,
        kind=stock.kind,
        threshold_override=None,
        examples=tuple(
            Example(source=row.source, path=row.path, licence=row.licence, attribution=row.attribution)
            for row in rows.values()
        ),
        embedded=Embedded(
            positives=train.hops[stored],
            positive_example=np.array(example, dtype=np.int32),
            negatives=np.zeros((0, encoder.dim), dtype=np.float32),
        ),
        detector=Detector(
            encoder=str(encoder),
            head=evidence.head,
            threshold=float(sigmoid(np.array(threshold))),
            tail=evidence.tail,
        ),
    )


def _card(kept: Sequence[tuple[Evidence, float]], left_out: Sequence[str], encoder: EncoderId) -> str:
    """Say what every threshold costs and catches, on recordings that the head was not fitted on."""
    lines = [
        _CARD_HEAD.format(encoder=encoder, synthesised=_synthesised()),
        "| profile | threshold | held-out recall, train | recall, valid | clips | expected false alarms/h |",
        "|---|---|---|---|---|---|",
    ]
    alarms = {}
    for each, threshold in kept:
        alarms[each.stock.name] = int(np.count_nonzero(each.valid_background > threshold))
        lines.append(
            f"| {each.stock.name} | {float(sigmoid(np.array(threshold))):.3f} "
            f"| {_share(each.train_clips, threshold)} | {_share(each.valid_clips, threshold)} "
            f"| {len(each.train_clips)} + {len(each.valid_clips)} | {each.rate(threshold):.3f} |"
        )
    heard = [each.valid_clips > threshold for each, threshold in kept if len(each.valid_clips)]
    loud = ", ".join(f"{name} {count}" for name, count in alarms.items() if count)
    lines += [
        "",
        f"On valid, {np.mean(np.concatenate(heard)):.3f} of all clips are heard,",
        f"{np.mean([np.mean(clips) for clips in heard]):.3f} over profiles.",
        f"False alarms on valid: {sum(alarms.values())} ({loud or 'none'});",
        f"{sum(each.rate(threshold) for each, threshold in kept):.2f} an hour expected of all together.",
        f"Left out, heard too little or too often wrongly: {', '.join(left_out) or 'none'}.",
        "",
    ]
    return "\n".join(lines)


def _synthesised() -> str:
    *names, last = [f"`{stock.name}`" for stock in CATALOGUE if stock.synthesised]
    return f"{', '.join(names)} and {last}"


def _share(clips: np.ndarray, threshold: float) -> str:
    return f"{np.mean(clips > threshold):.2f}" if len(clips) else "-"


if __name__ == "__main__":
    main()
