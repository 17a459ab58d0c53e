"""Train the builtin encoder to say, hop by hop, what the teacher says of the whole mixture.

    python -m training.distil --stage close

Resumes from the stage's last checkpoint in the work folder, else begins with what the stage before left; the
same seed gives the same draws. Every hop that has heard enough of a sound is taught the teacher's view of it.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.dsp import MEL_OVERLAP_SAMPLES, log_mel
from detectors.types import HOP_SAMPLES
from training.augmentation import Chances, augment, rooms_at
from training.curriculum import STAGES, Stage
from training.network import POOL_HOPS, StreamingEncoder, unit
from training.targets import WORK, targets_folder

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

DIM = 192
BATCH = 32
WARM_UP_STEPS = 150
TAG_WEIGHT = 10.0  # the mean over 527 mostly silent tags is a small number
CHECKPOINT_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Studies:
    """Every mixture and what the teacher said of it."""

    audio: NDArray[np.int16]
    features: NDArray[np.float16]
    logits: NDArray[np.float16]


def load_studies(folder: Path) -> Studies:
    """Read all shards of targets that are there. Raises FileNotFoundError when none is."""
    shards = [np.load(path) for path in sorted(folder.glob("[0-9]*[0-9].npz"))]
    if not shards:
        raise FileNotFoundError(f"{folder} is empty: run `python -m training.targets` first")
    return Studies(
        audio=np.concatenate([shard["audio"] for shard in shards]),
        features=np.concatenate([shard["features"] for shard in shards]),
        logits=np.concatenate([shard["logits"] for shard in shards]),
    )


class TargetSpace(nn.Module):
    """The teacher's features, standardised and turned onto their DIM strongest directions."""

    mean: Tensor
    std: Tensor
    directions: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("std", torch.ones(features))
        self.register_buffer("directions", torch.zeros(features, DIM))

    def fit(self, features: Tensor) -> None:
        """Learn mean, spread and directions from [n, features]."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0) + 1e-3)
        standard = ((features - self.mean) / self.std).clamp(-4, 4)
        _, _, right = torch.linalg.svd(standard, full_matrices=False)
        self.directions.copy_(right[:DIM].T)

    def forward(self, features: Tensor) -> Tensor:
        standard = ((features - self.mean) / self.std).clamp(-4, 4)
        return standard @ self.directions


def crop_start(rng: Generator, clip: NDArray[np.float32], samples: int) -> int:
    """Choose a crop that holds the loudest half second, wherever in the crop that falls."""
    blocks = (clip[: clip.size // 800 * 800].reshape(-1, 800) ** 2).mean(1)
    loudest = int(np.argmax(np.convolve(blocks, np.ones(10), "valid"))) * 800
    lowest = max(0, loudest + 8_000 - samples)
    highest = min(clip.size - samples, max(lowest, loudest))
    return int(rng.integers(min(lowest, highest), highest + 1))


def heard_enough(crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each hop can know of what the teacher heard.

    The share of all power that has passed, times what is not forgotten yet: the power of the last second
    against the loudest, 15 dB down to nothing.
    """
    power = (crop.reshape(-1, HOP_SAMPLES) ** 2).mean(1)
    recent = np.convolve(power, np.ones(POOL_HOPS))[: power.size]
    below_db = 10 * np.log10((recent + 1e-9) / (recent.max() + 1e-9))
    passed = np.cumsum(power) / (power.sum() + 1e-9)
    weight = np.clip(1 + below_db / 15, 0.02, 1) * (0.05 + passed)
    return np.asarray(weight / weight.sum(), np.float32)


class Lessons:
    """Draws batches: log-mel pictures, how much each hop counts, the teacher's features and tags."""

    def __init__(self, stage: Stage, studies: Studies, rooms: NDArray[np.float32]) -> None:
        self.stage = stage
        self.studies = studies
        self.rooms = rooms
        self.chances = Chances()

    def _crop(self, rng: Generator, index: int) -> NDArray[np.float32]:
        clip = self.studies.audio[index].astype(np.float32) / 32_768
        start = crop_start(rng, clip, self.stage.study_samples)
        return np.asarray(clip[start : start + self.stage.study_samples], np.float32)

    def _heard(
        self, rng: Generator, crop: NDArray[np.float32], other: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        if rng.random() >= self.stage.clean_share:
            return augment(rng, crop, other, self.rooms, self.chances)
        gain = np.float32(10 ** (rng.uniform(-45, 0) / 20))
        return crop * gain

    def batch(self, rng: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mel [BATCH, frames, mels], weights [BATCH, hops], features and logits."""
        chosen = rng.integers(len(self.studies.audio), size=BATCH)
        crops = [self._crop(rng, index) for index in chosen]
        heard = [self._heard(rng, crop, crops[(number + 1) % BATCH]) for number, crop in enumerate(crops)]
        audio = np.pad(np.stack(heard), ((0, 0), (MEL_OVERLAP_SAMPLES, 0)))
        return (
            torch.from_numpy(log_mel(audio)),
            torch.from_numpy(np.stack([heard_enough(crop) for crop in crops])),
            torch.from_numpy(self.studies.features[chosen].astype(np.float32)),
            torch.from_numpy(self.studies.logits[chosen].astype(np.float32)),
        )


class Student(nn.Module):
    """The encoder, the space it aims at, and the tags it should be able to name."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.encoder = StreamingEncoder(DIM)
        self.space = TargetSpace(features)
        self.tags = nn.Linear(DIM, 527)

    def loss(self, mel: Tensor, weights: Tensor, features: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to minimise and, for the log, the weighted cosine to the teacher."""
        embeddings, _ = self.encoder(mel, torch.zeros(mel.shape[0], self.encoder.state_size))
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


def learning_rate(step: int, stage: Stage) -> float:
    """Linear warm-up, then a half cosine down to nothing."""
    if step < WARM_UP_STEPS:
        return stage.peak_learning_rate * (step + 1) / WARM_UP_STEPS
    done = (step - WARM_UP_STEPS) / (stage.steps - WARM_UP_STEPS)
    return stage.peak_learning_rate * 0.5 * (1 + float(np.cos(np.pi * done)))


def checkpoint_of(work: Path, stage: Stage) -> Path:
    """Where the stage's student is kept."""
    return work / f"student-{stage.name}.pt"


def begin(work: Path, stage: Stage, student: Student, features: Tensor) -> None:
    """Give the student its start: the stage before's weights, or the target space of this one's features."""
    before = list(STAGES.values())[: list(STAGES).index(stage.name)]
    if before:
        saved = torch.load(checkpoint_of(work, before[-1]), weights_only=True)
        student.load_state_dict(saved["student"])
    else:
        student.space.fit(features)


def train(work: Path, stage: Stage, seed: int) -> None:
    """Train the stage to its end, from its last checkpoint if there is one."""
    targets = targets_folder(work, stage)
    studies = load_studies(targets)
    student = Student(studies.features.shape[1])
    # Depthwise convolutions take half as long again in the default layout. Torch's stubs lack this form.
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    begin(work, stage, student, torch.from_numpy(studies.features[:4_000].astype(np.float32)))
    optimiser = torch.optim.AdamW(student.parameters(), weight_decay=0.02)
    checkpoint = checkpoint_of(work, stage)
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(saved["student"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    lessons = Lessons(stage, studies, rooms_at(work / "rooms.npy"))
    began, losses = time.monotonic(), []
    for step in range(first, stage.steps):
        if step % CHECKPOINT_STEPS == 0 and step > first:  # new shards of targets join as they are made
            lessons.studies = load_studies(targets)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, stage)
        loss, cosine = student.loss(*lessons.batch(np.random.default_rng((seed, step))))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        losses.append((loss.item(), cosine.item()))
        if (step + 1) % 20 == 0:
            line = {
                "step": step + 1,
                "stage": stage.name,
                "steps": stage.steps,
                "mixtures": len(lessons.studies.audio),
                "loss": round(float(np.mean([a for a, _ in losses[-20:]])), 4),
                "cosine": round(float(np.mean([b for _, b in losses[-20:]])), 4),
                "minutes": round((time.monotonic() - began) / 60, 1),
            }
            print(json.dumps(line), flush=True)
            with (work / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == stage.steps:
            beside = checkpoint.with_suffix(".part")
            torch.save(
                {
                    "student": student.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                },
                beside,
            )
            beside.rename(checkpoint)


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--stage", choices=list(STAGES), required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.work, STAGES[options.stage], options.seed)


if __name__ == "__main__":
    main()
