"""The cues of a whole side, on all cores, and kept for as long as neither scenes nor cues change."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import cabin_cues
from training.cabin import cue_rows, lombard
from training.cabin.cars import Side
from training.cabin.cue_rows import CueRows, listen
from training.cabin.lombard import raised
from training.cabin.scenes import Scene
from training.cabin.sides import Progress, car_files, read_scenes


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCues:
    """What was heard of all scenes of a side."""

    rows: CueRows
    inside: NDArray[np.bool_]
    """[scenes]"""
    speech: NDArray[np.bool_]
    """[scenes]"""


def hear_side(data: Path, side: Side, cars: int, work: Path, progress: Progress) -> SideCues:
    """Render what is missing, and listen to what nobody has listened to yet."""
    return _joined(_hear_files(car_files(data, side, cars, work, progress), progress))


def hear_cars(
    data: Path, side: Side, cars: int, work: Path, progress: Progress
) -> list[tuple[tuple[Scene, ...], SideCues]]:
    """Return the same car by car, with the scenes."""
    files = car_files(data, side, cars, work, progress)
    heard = _hear_files(files, progress)
    return [
        (tuple(raised(scene) for scene in read_scenes(file)), part)
        for file, part in zip(files, heard, strict=True)
    ]


def _hear_files(files: Sequence[Path], progress: Progress) -> list[SideCues]:
    parts = []
    with ProcessPoolExecutor(os.cpu_count()) as workers:
        for number, part in enumerate(workers.map(partial(_hear, digest=_digest()), files)):
            parts.append(part)
            progress(f"heard car {number}")
    return parts


def _hear(file: Path, digest: str) -> SideCues:
    kept = file.with_suffix(f".cues-{digest}.npz")
    if not kept.is_file():
        scenes = [raised(scene) for scene in read_scenes(file)]
        rows = listen(scenes)
        beside = kept.with_suffix(".tmp.npz")
        np.savez(
            beside,
            cues=rows.cues,
            scene=rows.scene,
            last=rows.last,
            inside=np.array([scene.inside for scene in scenes]),
            speech=np.array([scene.speech for scene in scenes]),
        )
        beside.rename(kept)
    with np.load(kept) as found:
        return SideCues(
            rows=CueRows(cues=found["cues"], scene=found["scene"], last=found["last"]),
            inside=found["inside"],
            speech=found["speech"],
        )


def _joined(parts: Sequence[SideCues]) -> SideCues:
    """Put several cars in one, their scenes counted on."""
    starts = np.cumsum([0, *(len(part.inside) for part in parts)])
    rows = CueRows(
        cues=np.concatenate([part.rows.cues for part in parts]),
        scene=np.concatenate([part.rows.scene + start for part, start in zip(parts, starts, strict=False)]),
        last=np.concatenate([part.rows.last for part in parts]),
    )
    return SideCues(
        rows=rows,
        inside=np.concatenate([part.inside for part in parts]),
        speech=np.concatenate([part.speech for part in parts]),
    )


def _digest() -> str:
    text = sha256()
    for module in (cabin_cues, cue_rows, lombard):
        assert module.__file__ is not None
        text.update(Path(module.__file__).read_bytes())
    return text.hexdigest()[:12]
