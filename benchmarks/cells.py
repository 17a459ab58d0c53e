"""The runs that a comparison is made of, each kept until encoder, profiles, data or command change."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.report import REPOSITORY, RESULTS
from benchmarks.stock import RECIPE_NAME, stock_folder
from foundation.atomic_file import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from detectors.encoders import EncoderId

CELLS = RESULTS / "cells"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One command of a comparison."""

    name: str
    """How the table calls its result"""
    benchmark: str
    full: tuple[str, ...]
    quick: tuple[str, ...]
    """Rows and sizes with which it takes seconds: for its shape, not for its figures"""
    by: str = "encoder"
    """`encoder`: once for each; `all`: once, all together; `none`: no encoder takes part"""
    needs_stock: bool = False
    """Its figures depend on stock profiles or background bank"""


def _where(column: str, *values: str) -> tuple[str, ...]:
    return tuple(word for value in values for word in ("--where", f"{column}={value}"))


_VALID, _NOVEL = _where("split", "valid"), _where("split", "novel")
_TAUGHT = (*_VALID, *_NOVEL)
_PROBE = (*_where("source", "esc50"), *_where("split", "train", "valid"))
_FEW = (*_NOVEL, *_where("fold", "1", "2"), "--episodes", "20")
_IMPULSES = (*_VALID, *_where("label", "dog", "glass_breaking"))
_SMALL = (*_VALID, *_where("source", "esc50", "noisekun"))
_ONE_SOUND = (*_SMALL, "--profile", "glass_breaking", "--mixtures", "6")

PLANS = (
    Plan(name="few_shot", benchmark="few_shot", full=_NOVEL, quick=_FEW),
    Plan(
        name="few_shot, centred",
        benchmark="few_shot",
        full=(*_NOVEL, "--centred"),
        quick=(*_FEW, "--centred"),
    ),
    Plan(
        name="linear_probe",
        benchmark="linear_probe",
        full=_PROBE,
        quick=(*_PROBE, *_where("label", "dog", "rain")),
    ),
    Plan(
        name="rare_events",
        benchmark="rare_events",
        full=_TAUGHT,
        quick=(*_ONE_SOUND, "--draws", "1", "--shots", "3"),
        needs_stock=True,
    ),
    Plan(
        name="operating_curve",
        benchmark="operating_curve",
        full=_TAUGHT,
        quick=(*_SMALL, "--profile", "glass_breaking", "--draws", "1", "--shots", "3"),
        needs_stock=True,
    ),
    Plan(name="recall", benchmark="recall", full=_VALID, quick=_IMPULSES, needs_stock=True),
    Plan(
        name="false_alarms",
        benchmark="false_alarms",
        full=_VALID,
        quick=(*_VALID, *_where("label", "keyboard", "hen")),
        needs_stock=True,
    ),
    Plan(
        name="latency",
        benchmark="latency",
        full=_VALID,
        quick=(*_IMPULSES, "--onsets", "4", "--streams", "2"),
        needs_stock=True,
    ),
    Plan(
        name="throughput",
        benchmark="throughput",
        full=_VALID,
        quick=(*_VALID, *_where("source", "sonicpi"), "--seconds", "0.5", "--most", "8"),
        needs_stock=True,
    ),
    Plan(
        name="footprint",
        benchmark="footprint",
        full=_VALID,
        quick=(*_IMPULSES, "--listen-s", "1", "--starts", "1"),
        needs_stock=True,
    ),
    Plan(
        name="encoder_cost",
        benchmark="encoder_cost",
        full=_VALID,
        quick=(*_IMPULSES, "--streams", "4", "--seconds", "0.4", "--rounds", "1"),
        by="all",
    ),
    Plan(name="gate", benchmark="gate", full=_TAUGHT, quick=_ONE_SOUND, by="none"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One run: a command, and a key that changes with anything that its result depends on but the code."""

    plan: Plan
    encoder: str
    """Its name; for a plan of all encoders or of none, empty"""
    command: tuple[str, ...]
    """What follows `python -m`, without the data"""
    key: str

    @property
    def path(self) -> Path:
        """Where its result is kept."""
        return CELLS / f"{self.plan.benchmark}-{self.key[:16]}.json"

    def __str__(self) -> str:
        return f"{self.plan.name} · {self.encoder}" if self.encoder else self.plan.name


def plan_cells(
    plans: Iterable[Plan], encoders: Mapping[str, EncoderId], data: Path, *, quick: bool
) -> list[Cell]:
    """Return the runs, those of one plan beside each other."""
    manifest = hashlib.sha256((data / "manifest.csv").read_bytes()).hexdigest()
    cells = []
    for plan in plans:
        groups: dict[str, list[list[str]]] = {
            "encoder": [[name] for name in encoders],
            "all": [list(encoders)],
            "none": [[]],
        }
        for names in groups[plan.by]:
            rows = plan.quick if quick else plan.full
            chosen = tuple(word for name in names for word in ("--encoder", name))
            command = (f"benchmarks.{plan.benchmark}", *rows, *chosen)
            ingredients = [
                manifest,
                list(command),
                [str(encoders[name]) for name in names],
                [_digest(stock_folder(encoders[name])) for name in names if plan.needs_stock],
            ]
            cells.append(
                Cell(
                    plan=plan,
                    encoder=names[0] if plan.by == "encoder" else "",
                    command=command,
                    key=hashlib.sha256(json.dumps(ingredients).encode()).hexdigest(),
                )
            )
    return cells


def result_of(cell: Cell) -> dict[str, Any] | None:
    """Return what is kept of this run, None where there is nothing."""
    if not cell.path.is_file():
        return None
    result: dict[str, Any] = json.loads(cell.path.read_text(encoding="utf-8"))
    return result


def run(cell: Cell, data: Path) -> dict[str, Any] | None:
    """Run the command and keep its result; None where it failed, having said why on standard error."""
    module, *words = cell.command
    CELLS.mkdir(parents=True, exist_ok=True)
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            module,
            "--data",
            str(data),
            *words,
            "--json",
            "--results",
            str(CELLS / "last"),
        ],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode:
        return None
    result: dict[str, Any] = json.loads(finished.stdout)
    write_atomically(cell.path, finished.stdout.encode())
    return result


def _digest(folder: Path) -> str:
    """Return a digest of all files of a folder of profiles; of one that is not there, of nothing."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and file.name not in {"README.md", RECIPE_NAME}:
            digest.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()
