"""The two sides of the simulation, rendered car by car on all cores, and kept for the next time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

import numpy as np

from training.cabin.beds import make_beds
from training.cabin.cars import Side, make_car
from training.cabin.noises import Sounds, read_sounds
from training.cabin.scenes import Order, Scene, render
from training.cabin.talkers import Utterance, read_utterances
from training.recordings import Row, may_teach, read_manifest

HERE = Path(__file__).parent
WORK = HERE.parent / "work" / "cabin"
CARS = {"train": 44, "test": 14}
SCENES_PER_CAR = 60
SEEDS = {"train": 11, "test": 12}

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The recordings that a side is made of."""

    side: Side
    sounds: Sounds
    utterances: Sequence[Utterance]


def car_files(data: Path, side: Side, cars: int, work: Path, progress: Progress) -> list[Path]:
    """Return the files of the first `cars` cars of a side, each for `read_scenes`.

    What an earlier run of the same code rendered from the same recordings is not rendered again.
    """
    rows = side_rows(data, side)
    folder = work / f"{side}-{_digest(rows)}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [number for number in range(cars) if not _file(folder, number).is_file()]
    if missing:
        progress(f"reading the recordings of the {side} side")
        material = Material(side=side, sounds=read_sounds(data, rows), utterances=read_utterances(data, rows))
        with ProcessPoolExecutor(
            os.cpu_count(), initializer=_Worker.begin, initargs=(material, folder)
        ) as workers:
            for done, number in enumerate(workers.map(_Worker.render_car, missing), start=1):
                progress(f"{side} side: car {number}, {done} of {len(missing)}")
    return [_file(folder, number) for number in range(cars)]


def side_rows(data: Path, side: Side) -> list[Row]:
    """Return the rows of the manifest that a side may use: none is on both."""
    rows = read_manifest(data)
    return [row for row in rows if (may_teach(row) if side == "train" else row.split == "valid")]


def draw_orders(side: Side, rng: np.random.Generator) -> list[Order]:
    """Half of the talkers inside, half outside; some with music, and some of whom nothing is heard."""
    orders = []
    for number in range(SCENES_PER_CAR):
        chance, music, speech = rng.random(), None, True
        if chance < 0.3:
            music = 0.0 if side == "test" else float(rng.uniform(-5.0, 15.0))
        elif chance < 0.4:
            speech, music = False, (0.0 if rng.random() < 0.5 else None)
        orders.append(Order(inside=bool(number % 2), music_snr_db=music, speech=speech))
    return orders


class _Worker:
    """What a process keeps between cars: reading recordings takes longer than a car."""

    material: Material
    folder: Path

    @classmethod
    def begin(cls, material: Material, folder: Path) -> None:
        cls.material, cls.folder = material, folder

    @classmethod
    def render_car(cls, number: int) -> int:
        side = cls.material.side
        rng = np.random.default_rng([SEEDS[side], number])
        car = make_car(side, rng)
        beds = make_beds(side, car, cls.material.sounds, rng)
        spoken = cls.material.utterances
        scenes = [
            render(order, car, beds, spoken[int(rng.integers(len(spoken)))], rng)
            for order in draw_orders(side, rng)
        ]
        _write(_file(cls.folder, number), scenes)
        return number


def _file(folder: Path, number: int) -> Path:
    return folder / f"car{number:03}.npz"


def _digest(rows: Sequence[Row]) -> str:
    """Name what the scenes depend on: this code and the recordings."""
    text = sha256()
    for source in sorted(HERE.glob("*.py")):
        if source.stem in {"beds", "cars", "noises", "paths", "scenes", "sides", "talkers"}:
            text.update(source.read_bytes())
    text.update("\n".join(row.path for row in rows).encode())
    return text.hexdigest()[:12]


def _write(file: Path, scenes: Sequence[Scene]) -> None:
    """Keep scenes as 16 bits, each under its own full scale."""
    arrays: dict[str, np.ndarray] = {}
    about = []
    for number, scene in enumerate(scenes):
        peak = max(1e-9, float(np.abs(scene.samples).max()))
        arrays[str(number)] = np.rint(scene.samples / peak * 32_767.0).astype(np.int16)
        facts = {field.name: getattr(scene, field.name) for field in fields(scene) if field.name != "samples"}
        about.append(facts | {"peak": peak})
    beside = file.with_suffix(".tmp.npz")
    np.savez(beside, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type] # numpy's stub takes keywords for flags
    beside.rename(file)


def read_scenes(file: Path) -> tuple[Scene, ...]:
    """Return everything that was said in one car."""
    with np.load(file) as arrays:
        about = json.loads(bytes(arrays["about"]))
        return tuple(
            Scene(
                samples=arrays[str(number)].astype(np.float32) * np.float32(facts.pop("peak") / 32_767.0),
                **facts,
            )
            for number, facts in enumerate(about)
        )
