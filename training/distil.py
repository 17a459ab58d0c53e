"""Train the builtin encoder to say, hop by hop, what the teacher says of the whole mixture.

    python -m training.distil --steps 3200

Resumes from the last checkpoint in the work folder; the same seed gives the same draws. The student hears
2.56 s from a cold start, the way a gate opens onto a sound, and every hop that has heard enough of it is
taught the teacher's view of five clean seconds.
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
from training.network import POOL_HOPS, StreamingEncoder, unit
from training.targets import WORK

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

CROP_HOPS = 32
CROP_SAMPLES = CROP_HOPS * HOP_SAMPLES
DIM = 192
BATCH = 32
PEAK_LEARNING_RATE = 2.5e-3
WARM_UP_STEPS = 150
TAG_WEIGHT = 10.0  # the mean over 527 mostly silent tags is a small number
CHECKPOINT_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Studies:
    """Every mixture and what the teacher said of it."""

    audio: NDArray[np.int16]
    features: NDArray[np.float16]
    logits: NDArray[np.float16]


def load_studies(work: Path) -> Studies:
    """Read all shards of targets that are there. Raises FileNotFoundError when none is."""
    shards = [np.load(path) for path in sorted((work / "targets").glob("[0-9]*[0-9].npz"))]
    if not shards:
        raise FileNotFoundError(f"{work}/targets is empty: run `python -m training.targets` first")
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


def crop_start(rng: Generator, clip: NDArray[np.float32]) -> int:
    """Choose a crop that holds the loudest half second, wherever in the crop that falls."""
    blocks = (clip[: clip.size // 800 * 800].reshape(-1, 800) ** 2).mean(1)
    loudest = int(np.argmax(np.convolve(blocks, np.ones(10), "valid"))) * 800
    lowest = max(0, loudest + 8_000 - CROP_SAMPLES)
    highest = min(clip.size - CROP_SAMPLES, max(lowest, loudest))
    return int(rng.integers(min(lowest, highest), highest + 1))


def heard_enough(crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each hop can know: the power of its last second against the loudest, 15 dB down to nothing."""
    power = (crop.reshape(CROP_HOPS, HOP_SAMPLES) ** 2).mean(1)
    recent = np.convolve(power, np.ones(POOL_HOPS))[:CROP_HOPS]
    below_db = 10 * np.log10((recent + 1e-9) / (recent.max() + 1e-9))
    weight = np.clip(1 + below_db / 15, 0.02, 1)
    return np.asarray(weight / weight.sum(), np.float32)


class Lessons:
    """Draws batches: log-mel pictures, how much each hop counts, the teacher's features and tags."""

    def __init__(self, studies: Studies, rooms: NDArray[np.float32]) -> None:
        self.studies = studies
        self.rooms = rooms
        self.chances = Chances()

    def _crop(self, rng: Generator, index: int) -> NDArray[np.float32]:
        clip = self.studies.audio[index].astype(np.float32) / 32_768
        start = crop_start(rng, clip)
        return np.asarray(clip[start : start + CROP_SAMPLES], np.float32)

    def batch(self, rng: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return mel [BATCH, frames, mels], weights [BATCH, CROP_HOPS], features and logits."""
        chosen = rng.integers(len(self.studies.audio), size=BATCH)
        crops = [self._crop(rng, index) for index in chosen]
        heard = [
            augment(rng, crop, crops[(number + 1) % BATCH], self.rooms, self.chances)
            for number, crop in enumerate(crops)
        ]
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
            self.tags(embeddings), logits.sigmoid()[:, None].expand(-1, CROP_HOPS, -1), reduction="none"
        ).mean(-1)
        loss = ((square + (1 - cosine) + TAG_WEIGHT * tags) * weights).sum(1).mean()
        return loss, (cosine * weights).sum(1).mean().detach()


def learning_rate(step: int, steps: int) -> float:
    """Linear warm-up, then a half cosine down to nothing."""
    if step < WARM_UP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARM_UP_STEPS
    return (
        PEAK_LEARNING_RATE
        * 0.5
        * (1 + float(np.cos(np.pi * (step - WARM_UP_STEPS) / (steps - WARM_UP_STEPS))))
    )


def train(work: Path, steps: int, seed: int) -> None:
    """Train up to `steps`, from the last checkpoint if there is one."""
    studies = load_studies(work)
    student = Student(studies.features.shape[1])
    # Depthwise convolutions take half as long again in the default layout. Torch's stubs lack this form.
    student.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    student.space.fit(torch.from_numpy(studies.features[:4_000].astype(np.float32)))
    optimiser = torch.optim.AdamW(student.parameters(), weight_decay=0.02)
    checkpoint = work / "student.pt"
    first = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        student.load_state_dict(saved["student"])
        optimiser.load_state_dict(saved["optimiser"])
        first = saved["step"]
    lessons = Lessons(studies, rooms_at(work / "rooms.npy"))
    began, losses = time.monotonic(), []
    for step in range(first, steps):
        if step % CHECKPOINT_STEPS == 0 and step > first:  # new shards of targets join as they are made
            lessons.studies = load_studies(work)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps)
        loss, cosine = student.loss(*lessons.batch(np.random.default_rng((seed, step))))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        losses.append((loss.item(), cosine.item()))
        if (step + 1) % 20 == 0:
            line = {
                "step": step + 1,
                "steps": steps,
                "mixtures": len(lessons.studies.audio),
                "loss": round(float(np.mean([a for a, _ in losses[-20:]])), 4),
                "cosine": round(float(np.mean([b for _, b in losses[-20:]])), 4),
                "minutes": round((time.monotonic() - began) / 60, 1),
            }
            print(json.dumps(line), flush=True)
            with (work / "log.jsonl").open("a") as log:
                log.write(json.dumps(line) + "\n")
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
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
    parser.add_argument("--steps", type=int, default=3_200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    train(options.work, options.steps, options.seed)


if __name__ == "__main__":
    main()
