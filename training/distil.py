"""Train the builtin encoder to say, hop by hop, what its teachers say of the whole mixture.

    python -m training.distil

Resumes from the last checkpoint in the work folder; the same seed gives the same draws. Every hop that has
heard enough of a sound is taught the teachers' view of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from detectors.dsp import MEL_OVERLAP_SAMPLES, log_mel
from detectors.types import HOP_SAMPLES
from training.augmentation import Chances, augment, rooms_at
from training.curriculum import SCHOOLING, STUDY_SAMPLES, Schooling
from training.network import POOL_HOPS, StreamingEncoder, unit
from training.targets import TARGETS, WORK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

    from numpy.random import Generator

DIM = 192
WARM_UP_STEPS = 150
TAG_WEIGHT = 10.0  # the mean over 527 mostly silent tags is a small number
EARLY = 0.6
CHECKPOINT_STEPS = 250
LOG_STEPS = 50
SPACE_MIXTURES = 4_000
BATCHES_AHEAD = 4
"""For each worker."""
FEATURES = (384, 1_024)
"""How many numbers mn04 and YAMNet say."""
STUDENT = "student.pt"
_PARTS = ("audio", "mn04", "yamnet", "logits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Studies:
    """Every mixture and what the teachers said of it."""

    audio: NDArray[np.int16]
    mn04: NDArray[np.float16]
    yamnet: NDArray[np.float16]
    logits: NDArray[np.float16]


def load_studies(folder: Path) -> Studies:
    """Read the shards that are there. Raises FileNotFoundError when there is none."""
    paths = sorted(folder.glob("[0-9]*[0-9].npz"))
    if not paths:
        raise FileNotFoundError(f"{folder} is empty: run `python -m training.targets` first")
    shards = [np.load(path) for path in paths]
    return Studies(**{name: np.concatenate([shard[name] for shard in shards]) for name in _PARTS})


class TargetSpace(nn.Module):
    """Both teachers' features, standardised, of equal weight, turned onto their DIM strongest directions."""

    mean: Tensor
    scale: Tensor
    directions: Tensor

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.register_buffer("mean", torch.zeros(sum(widths)))
        self.register_buffer("scale", torch.ones(sum(widths)))
        self.register_buffer("directions", torch.zeros(sum(widths), DIM))

    def fit(self, features: Tensor) -> None:
        """Learn means, spreads and directions from [n, features]."""
        self.mean.copy_(features.mean(0))
        self.scale.copy_(features.std(0) + 1e-3)
        _, strengths, right = torch.linalg.svd(self._standard(features), full_matrices=False)
        # One on average, so that the loss reads the same whatever the teachers.
        size = strengths[:DIM].square().mean().sqrt() / len(features) ** 0.5
        self.directions.copy_(right[:DIM].T / size)

    def _standard(self, features: Tensor) -> Tensor:
        standard = ((features - self.mean) / self.scale).clamp(-4, 4)
        teachers = torch.split(standard, list(self.widths), 1)
        return torch.cat([part / part.shape[1] ** 0.5 for part in teachers], 1)

    def forward(self, features: Tensor) -> Tensor:
        return self._standard(features) @ self.directions


def heard_enough(crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each hop can know of what the teacher heard.

    The share of all power that has passed (the first hop counts: an alarm cannot wait for the end),
    times what is not forgotten yet: the power of the last second against the loudest, 15 dB down to nothing.
    """
    power = (crop.reshape(-1, HOP_SAMPLES) ** 2).mean(1)
    recent = np.convolve(power, np.ones(POOL_HOPS))[: power.size]
    below_db = 10 * np.log10((recent + 1e-9) / (recent.max() + 1e-9))
    passed = np.cumsum(power) / (power.sum() + 1e-9)
    weight = np.clip(1 + below_db / 15, 0.02, 1) * (EARLY + passed)
    return np.asarray(weight / weight.sum(), np.float32)


Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]


class Lessons:
    """Draws batches: log-mel pictures, how much each hop counts, the teachers' features and tags."""

    def __init__(self, schooling: Schooling, studies: Studies, rooms: NDArray[np.float32]) -> None:
        self.schooling = schooling
        self.studies = studies
        self.rooms = rooms
        self.chances = Chances()

    def _after_quiet(self, rng: Generator, clip: NDArray[np.float32]) -> NDArray[np.float32]:
        if rng.random() >= self.schooling.lead_share:
            return clip
        lead = int(rng.integers(1, self.schooling.longest_lead_hops + 1)) * HOP_SAMPLES
        quiet = rng.standard_normal(lead).astype(np.float32) * np.float32(10 ** (rng.uniform(-100, -50) / 20))
        return np.concatenate((quiet, clip[:-lead]))

    def _heard(
        self, rng: Generator, clip: NDArray[np.float32], other: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if rng.random() >= self.schooling.clean_share:
            return augment(rng, clip, other, self.rooms, self.chances)
        gain = np.float32(10 ** (rng.uniform(-45, 0) / 20))
        return clip * gain

    def batch(self, rng: Generator) -> Batch:
        """Return mel [batch, frames, mels], weights [batch, hops], features and logits."""
        chosen = rng.integers(len(self.studies.audio), size=self.schooling.batch)
        clips = self.studies.audio[chosen, :STUDY_SAMPLES].astype(np.float32) / 32_768
        clips = np.stack([self._after_quiet(rng, clip) for clip in clips])
        heard = [self._heard(rng, clip, clips[number - 1]) for number, clip in enumerate(clips)]
        audio = np.pad(np.stack(heard), ((0, 0), (MEL_OVERLAP_SAMPLES, 0)))
        return (
            log_mel(audio),
            np.stack([heard_enough(clip) for clip in clips]),
            self.features(chosen),
            self.studies.logits[chosen].astype(np.float32),
        )

    def features(self, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """Both teachers' features [n, features] of some mixtures."""
        parts = [self.studies.mn04[chosen], self.studies.yamnet[chosen]]
        return np.concatenate(parts, 1).astype(np.float32)


class Student(nn.Module):
    """The encoder, the space it aims at, and the tags it should be able to name."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = StreamingEncoder(DIM)
        self.space = TargetSpace(FEATURES)
        self.tags = nn.Linear(DIM, 527)

    def loss(self, mel: Tensor, weights: Tensor, features: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to minimise and, for the log, the weighted cosine to the teachers."""
        embeddings, _ = self.encoder(mel, mel.new_zeros(mel.shape[0], self.encoder.state_size))
        target = self.space(features)[:, None]
        cosine = (unit(embeddings) * unit(target)).sum(-1)
        square = (embeddings - target).square().mean(-1)
        tags = functional.binary_cross_entropy_with_logits(
            self.tags(embeddings),
            logits.sigmoid()[:, None].expand(-1, weights.shape[1], -1),
            reduction="none",
        ).mean(-1)
        loss = ((square + (1 - cosine) + TAG_WEIGHT * tags) * weights).sum(1).mean()
        return loss, (cosine * weights).sum(1).mean().detach()


def learning_rate(step: int, schooling: Schooling) -> float:
    """Linear warm-up, then a half cosine down to nothing."""
    if step < WARM_UP_STEPS:
        return schooling.peak_learning_rate * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / (schooling.steps - WARM_UP_STEPS)
    return schooling.peak_learning_rate * 0.5 * (1 + float(np.cos(np.pi * done)))


def drawn_ahead(lessons: Lessons, seed: int, steps: range, workers: int) -> Iterator[Batch]:
    """Yield the batch of each step; with workers, drawn by so many processes, and the same ones."""
    if not workers:
        yield from (lessons.batch(np.random.default_rng((seed, step))) for step in steps)
        return
    # Forked, so that the mixtures are in memory once.
    with ProcessPoolExecutor(
        workers, get_context("fork"), initializer=_share, initargs=(lessons, seed)
    ) as pool:
        waiting: deque[Future[Batch]] = deque()
        for step in steps:
            waiting.append(pool.submit(_draw, step))
            if len(waiting) > BATCHES_AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


_shared: tuple[Lessons, int] | None = None


def _share(lessons: Lessons, seed: int) -> None:
    global _shared  # noqa: PLW0603 - a worker's own copy, set once when it begins
    _shared = lessons, seed


def _draw(step: int) -> Batch:
    assert _shared is not None
    lessons, seed = _shared
    return lessons.batch(np.random.default_rng((seed, step)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run may use of the machine."""

    device: str = "cpu"
    workers: int = 0


def train(work: Path, schooling: Schooling, seed: int, begin_with: Path | None, means: Means) -> None:
    """Train to the end, from the last checkpoint if there is one, else from the student of another run."""
    lessons = Lessons(schooling, load_studies(work / TARGETS), rooms_at(work / "rooms.npy"))
    torch.manual_seed(seed)
    student = Student()
    # Convolutions take half as long again in the default layout. Torch's stubs lack this form.
    student.to(device=means.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(student.parameters(), weight_decay=0.02)
    checkpoint, first = work / STUDENT, 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location=means.device, weights_only=True)
        student.load_state_dict(saved["student"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    elif begin_with is not None:
        saved = torch.load(begin_with, map_location=means.device, weights_only=True)
        student.load_state_dict(saved["student"])
    else:
        some = np.arange(min(SPACE_MIXTURES, len(lessons.studies.audio)))
        student.space.fit(torch.from_numpy(lessons.features(some)).to(means.device))
    log = Log(work / "log.jsonl", schooling.steps)
    steps = range(first, schooling.steps)
    for step, batch in zip(steps, drawn_ahead(lessons, seed, steps, means.workers), strict=True):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, schooling)
        loss, cosine = student.loss(*(torch.from_numpy(part).to(means.device) for part in batch))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        log.add(step + 1, loss.item(), cosine.item(), len(lessons.studies.audio))
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == schooling.steps:
            beside = checkpoint.with_suffix(".part")
            torch.save(
                {"student": student.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1},
                beside,
            )
            beside.rename(checkpoint)


class Log:
    """Prints and keeps a line every so many steps."""

    def __init__(self, path: Path, steps: int) -> None:
        self._path, self._steps = path, steps
        self._began = time.monotonic()
        self._recent: list[tuple[float, float]] = []

    def add(self, step: int, loss: float, cosine: float, mixtures: int) -> None:
        """Take one step's figures; print the mean of the last LOG_STEPS when they are full."""
        self._recent.append((loss, cosine))
        if len(self._recent) < LOG_STEPS:
            return
        mean_loss, mean_cosine = np.mean(self._recent, axis=0)
        self._recent.clear()
        line = json.dumps(
            {
                "step": step,
                "steps": self._steps,
                "mixtures": mixtures,
                "loss": round(float(mean_loss), 4),
                "cosine": round(float(mean_cosine), 4),
                "minutes": round((time.monotonic() - self._began) / 60, 1),
            }
        )
        print(line, flush=True)
        with self._path.open("a") as log:
            log.write(line + "\n")


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--steps", type=int, default=SCHOOLING.steps)
    parser.add_argument("--rate", type=float, default=SCHOOLING.peak_learning_rate)
    parser.add_argument("--begin-with", type=Path, help="student.pt of another run, to go on from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="cuda where there is one (default: cpu)")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes that draw batches ahead; a GPU needs eight",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    schooling = replace(SCHOOLING, steps=options.steps, peak_learning_rate=options.rate)
    means = Means(device=options.device, workers=options.workers)
    train(options.work, schooling, options.seed, options.begin_with, means)


if __name__ == "__main__":
    main()
