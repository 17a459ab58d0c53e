"""What the teacher says of each mixture, computed once and kept, so that epochs cost only the student.

    python -m training.targets --stage close --data DIR --teacher mn04_as_mAP_432.pt

writes 16 kHz audio, features and tag logits into the work folder, in shards that a restart skips.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ
from training.curriculum import STAGES, Stage
from training.efficientat import load_mn04
from training.mixtures import Mixer
from training.recordings import TRAINING_RATE_HZ, load_recordings, may_teach

WORK = Path(__file__).parent / "work"
SHARD = 500


def targets_folder(work: Path, stage: Stage) -> Path:
    """Where the shards that the stage studies lie."""
    return work / f"targets-{stage.mixtures_of}"


def make_shard(
    stage: Stage, mixer: Mixer, teacher: torch.nn.Module, rng: np.random.Generator
) -> dict[str, NDArray[Any]]:
    """Draw SHARD mixtures and ask the teacher about each."""
    audio, features, logits = [], [], []
    for _ in range(SHARD // 10):
        mixtures = np.stack([mixer.draw(rng, stage) for _ in range(10)])
        with torch.inference_mode():
            pooled, logit = teacher(torch.from_numpy(mixtures))
        features.append(pooled.numpy().astype(np.float16))
        logits.append(logit.numpy().astype(np.float16))
        for mixture in mixtures:
            study = soxr.resample(mixture, TRAINING_RATE_HZ, DETECTION_RATE_HZ)[: stage.heard_samples]
            audio.append((np.clip(study, -1, 1) * 32_767).astype(np.int16))
    return {
        "audio": np.stack(audio),
        "features": np.concatenate(features),
        "logits": np.concatenate(logits),
    }


def main() -> None:
    """Make every shard that is not there yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=list(STAGES), required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stage = STAGES[options.stage]
    folder = targets_folder(options.work, stage)
    folder.mkdir(parents=True, exist_ok=True)
    mixer = Mixer.of(load_recordings(options.data, may_teach, print))
    teacher = load_mn04(options.teacher)
    shards = -(-stage.mixtures // SHARD)
    for number in range(shards):
        path = folder / f"{number:05d}.npz"
        if not path.exists():
            beside = path.with_suffix(".part.npz")
            rng = np.random.default_rng((options.seed, number))
            np.savez(beside, allow_pickle=False, **make_shard(stage, mixer, teacher, rng))
            beside.rename(path)
        print(f"targets {number + 1}/{shards}", flush=True)


if __name__ == "__main__":
    main()
