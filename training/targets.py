"""What the teachers say of each mixture, computed once and kept, so that epochs cost only the student.

    python -m training.targets --data DIR --mn04 mn04_as_mAP_432.pt --yamnet yamnet.tflite

writes 16 kHz audio, both teachers' features and mn04's tag logits into the work folder, in shards that a
restart skips.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from detectors.encoders.windowed import WindowNetwork
from detectors.encoders.yamnet import WINDOW_SAMPLES, yamnet_windows
from detectors.types import DETECTION_RATE_HZ
from training.curriculum import SCHOOLING, STUDY_SAMPLES, VARIETY
from training.efficientat import load_mn04
from training.mixtures import Mixer
from training.recordings import TRAINING_RATE_HZ, load_recordings, may_teach

WORK = Path(__file__).parent / "work"
TARGETS = "targets"
SHARD = 500
AT_ONCE = 10
STEP_SAMPLES = 160


@dataclass(frozen=True, slots=True)
class Teachers:
    """mn04 knows most and wants two seconds; YAMNet is at home in one."""

    mn04: torch.nn.Module
    yamnet: WindowNetwork

    def say(self, mixtures: NDArray[np.float32], studies: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Ask both about mixtures [n, samples] at 32 kHz, which are `studies` at 16 kHz."""
        with torch.inference_mode():
            features, logits = self.mn04(torch.from_numpy(mixtures))
        return {
            "mn04": features.numpy().astype(np.float16),
            "logits": logits.numpy().astype(np.float16),
            "yamnet": self.yamnet(np.stack([loudest_window(study) for study in studies])).astype(np.float16),
        }


def loudest_window(study: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the WINDOW_SAMPLES with the most power, at a level that YAMNet was made for."""
    power = np.concatenate(([0.0], np.cumsum(study.astype(np.float64) ** 2)))
    within = (power[WINDOW_SAMPLES:] - power[:-WINDOW_SAMPLES])[::STEP_SAMPLES]
    start = int(np.argmax(within)) * STEP_SAMPLES
    window = study[start : start + WINDOW_SAMPLES]
    return np.asarray(window / (np.abs(window).max() + 1e-4) * 0.5, np.float32)


def make_shard(mixer: Mixer, teachers: Teachers, rng: Generator) -> dict[str, NDArray[Any]]:
    """Draw SHARD mixtures and ask the teachers about each."""
    parts = []
    for _ in range(SHARD // AT_ONCE):
        mixtures = np.stack([mixer.draw(rng, VARIETY) for _ in range(AT_ONCE)])
        studies = np.stack(
            [soxr.resample(each, TRAINING_RATE_HZ, DETECTION_RATE_HZ)[:STUDY_SAMPLES] for each in mixtures]
        )
        audio = (np.clip(studies, -1, 1) * 32_767).astype(np.int16)
        parts.append({"audio": audio} | teachers.say(mixtures, studies))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What every worker has to know."""

    data: Path
    mn04: Path
    yamnet: Path
    folder: Path
    seed: int
    threads: int


class Workshop:
    """Makes shards, one after another."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self._task = task
        self._mixer = Mixer.of(load_recordings(task.data, may_teach, lambda _text: None))
        self._teachers = Teachers(load_mn04(task.mn04), yamnet_windows(task.yamnet))

    def make(self, number: int) -> int:
        """Make a shard, all of it or nothing; return its number."""
        path = self._task.folder / f"{number:05d}.npz"
        beside = path.with_suffix(".part.npz")
        rng = np.random.default_rng((self._task.seed, number))
        np.savez(beside, allow_pickle=False, **make_shard(self._mixer, self._teachers, rng))
        beside.rename(path)
        return number


_workshop: Workshop | None = None


def _open(task: Task) -> None:
    global _workshop  # noqa: PLW0603 - a worker's own, opened once when it begins
    _workshop = Workshop(task)


def _make(number: int) -> int:
    assert _workshop is not None
    return _workshop.make(number)


def main() -> None:
    """Make every shard that is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--mn04", type=Path, required=True)
    parser.add_argument("--yamnet", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes side by side, a core each")
    options = parser.parse_args()
    folder = options.work / TARGETS
    folder.mkdir(parents=True, exist_ok=True)
    task = Task(
        data=options.data,
        mn04=options.mn04,
        yamnet=options.yamnet,
        folder=folder,
        seed=options.seed,
        threads=options.threads,
    )
    shards = -(-SCHOOLING.mixtures // SHARD)
    left = [number for number in range(shards) if not (folder / f"{number:05d}.npz").exists()]
    done = shards - len(left)
    # Spawned: neither teacher survives a fork.
    spawn = get_context("spawn")
    pool = ProcessPoolExecutor(options.workers, spawn, initializer=_open, initargs=(task,))
    try:
        for made in as_completed([pool.submit(_make, number) for number in left]):
            done += 1
            print(f"targets {done}/{shards}: {made.result():05d}", flush=True)
    finally:
        # Who stops it waits for the shards that are being made, not for all.
        pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
