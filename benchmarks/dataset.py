"""A folder of recordings with a manifest.csv, and how rows are picked from it."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import soundfile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from detectors.types import Samples

PROFILE_OF_LABEL = {
    "baby_cry": "baby_crying",
    "chirping_birds": "birds",
    "clap": "clapping",
    "clock_alarm": "alarm_beep",
    "coughing": "cough",
    "crackling_fire": "fire",
    "crying_baby": "baby_crying",
    "dog": "dog_bark",
    "door_wood_creaks": "door_creak",
    "door_wood_knock": "door_knock",
    "drinking_sipping": "drinking",
    "cat": "cat_meow",
    "glass_break": "glass_breaking",
    "sneezing": "sneeze",
    "thunderstorm": "thunder",
}
"""Labels of the recordings whose profile has another name; every other label is a profile's name as it is."""

AMBIENCES = frozenset({"blanket", "moodist", "noisekun", "noixer"})
"""Sources that recorded places for minutes: whatever their label, they are no clips of one sound."""


_ESC50_NAME = re.compile(r"(?P<take>\d-\d+)-[A-Z]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One row of a manifest."""

    file: Path
    columns: Mapping[str, str] = field(hash=False)

    @property
    def label(self) -> str:
        """What its collection calls the sound."""
        return self.columns["label"]

    @property
    def profile(self) -> str:
        """The name that a stock profile of this sound has, whether or not there is one."""
        return PROFILE_OF_LABEL.get(self.label, self.label)

    @property
    def source(self) -> str:
        """The collection it comes from."""
        return self.columns.get("source", "")

    @property
    def may_contain(self) -> frozenset[str]:
        """Profiles whose sounds this recording may really hold."""
        return frozenset(self.columns.get("may_contain", "").split())

    @property
    def ambience(self) -> bool:
        """Whether this is the sound of a place rather than a clip of one sound."""
        return self.source in AMBIENCES

    @property
    def origin(self) -> str:
        """Recordings of one origin may be pieces of one take: the fold, else the group, else the file."""
        return self.columns.get("fold") or self.columns.get("group") or str(self.file)

    @property
    def take(self) -> str:
        """Pieces of one take sound alike: what ESC-50 cut from one recording, the group, or the file."""
        if piece := _ESC50_NAME.fullmatch(self.file.stem):
            return piece["take"]
        return self.columns.get("group") or str(self.file)

    def load(self) -> tuple[Samples, int]:
        """Read the audio: float32 [channels, n] and its rate."""
        samples, rate_hz = soundfile.read(self.file, dtype="float32", always_2d=True)
        return samples.T, rate_hz


def read_recordings(data: Path, where: Iterable[str] = ()) -> list[Recording]:
    """Return the rows of `data`/manifest.csv that COLUMN=VALUE texts pick; values of one column add up.

    Raises SystemExit with what is wrong when the folder, a column or the choice is.
    """
    manifest = data / "manifest.csv"
    columns, rows = _read_manifest(manifest)
    wanted = parse_where(where, columns)
    picked = [
        Recording(file=data / row["path"], columns=row)
        for row in rows
        if all(row[column] in values for column, values in wanted.items())
    ]
    if not picked:
        raise SystemExit(f"no row of {manifest} matches {' '.join(where)}")
    return picked


def valid_side(data: Path) -> list[str]:
    """Return how to choose the validation side; nothing where the folder has none."""
    columns, rows = _read_manifest(data / "manifest.csv")
    return ["split=valid"] if "split" in columns and any(row["split"] == "valid" for row in rows) else []


def _read_manifest(manifest: Path) -> tuple[Sequence[str], list[dict[str, str]]]:
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
            columns = reader.fieldnames or []
    except OSError as error:
        raise SystemExit(f"{manifest} cannot be read: {error.strerror}") from error
    if missing := {"path", "label"} - set(columns):
        raise SystemExit(f"{manifest} has no column {', '.join(sorted(missing))}")
    return columns, rows


def parse_where(where: Iterable[str], columns: Sequence[str]) -> dict[str, set[str]]:
    """Turn COLUMN=VALUE texts into the values allowed in each column."""
    wanted: dict[str, set[str]] = {}
    for text in where:
        column, equals, value = text.partition("=")
        if not equals or column not in columns:
            raise SystemExit(f"--where wants COLUMN=VALUE with one of {', '.join(columns)}; got {text!r}")
        wanted.setdefault(column, set()).add(value)
    return wanted
