"""The recordings that may teach: manifest rows, read once and kept as 32 kHz mono."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable

TRAINING_RATE_HZ = 32_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a manifest."""

    path: str
    source: str
    label: str
    fold: str
    group: str
    seconds: float
    licence: str
    ships: bool
    split: str
    may_contain: tuple[str, ...]
    attribution: str


def read_manifest(data: Path) -> list[Row]:
    """Read `manifest.csv` of a recordings folder. Raises OSError or KeyError when it is not one."""
    with (data / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return [
            Row(
                path=line["path"],
                source=line["source"],
                label=line["label"],
                fold=line["fold"],
                group=line["group"],
                seconds=float(line["seconds"]),
                licence=line["licence"],
                ships=line["ships"] == "yes",
                split=line["split"],
                may_contain=tuple(line["may_contain"].split()),
                attribution=line["attribution"],
            )
            for line in csv.DictReader(file)
        ]


def may_teach(row: Row) -> bool:
    """Whether weights that ship may be made from this recording: the licence allows it and it is no judge."""
    return row.ships and row.split == "train"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """Rows and their audio, int16 mono at TRAINING_RATE_HZ, in the same order."""

    rows: tuple[Row, ...]
    audio: tuple[NDArray[np.int16], ...]


def load_recordings(data: Path, wanted: Callable[[Row], bool], progress: Callable[[str], None]) -> Recordings:
    """Read and resample every wanted row into memory (about 4 MB a minute)."""
    rows = [row for row in read_manifest(data) if wanted(row)]
    audio = []
    for number, row in enumerate(rows):
        samples, rate_hz = soundfile.read(data / row.path, dtype="float32", always_2d=True)
        mono = soxr.resample(samples.mean(1), rate_hz, TRAINING_RATE_HZ)
        audio.append((np.clip(mono, -1, 1) * 32_767).astype(np.int16))
        if number % 200 == 0:
            progress(f"reading recordings {number}/{len(rows)}")
    return Recordings(rows=tuple(rows), audio=tuple(audio))
