"""What the teacher says of each mixture, computed once and kept, so that epochs cost only the student.

    python -m training.targets --data DIR --teacher mn04_as_mAP_432.pt --count 24000

writes `mixtures.i16` (16 kHz audio), `features.f16` and `logits.f16` in the work folder, in shards that a
restart skips.
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
from training.efficientat import load_mn04
from training.mixtures import MIXTURE_S, Mixer
from training.recordings import TRAINING_RATE_HZ, load_recordings, may_teach

WORK = Path(__file__).parent / "work"
SHARD = 500
STUDY_SAMPLES = int(MIXTURE_S * DETECTION_RATE_HZ)


def shard_path(work: Path, number: int) -> Path:
    """Where shard `number` of the targets lies."""
    return work / "targets" / f"{number:05d}.npz"


def make_shard(mixer: Mixer, teacher: torch.nn.Module, seed: int, number: int) -> dict[str, NDArray[Any]]:
    """Draw SHARD mixtures (the same for the same seed and number) and ask the teacher about each."""
    rng = np.random.default_rng((seed, number))
    audio, features, logits = [], [], []
    for _ in range(SHARD // 10):
        mixtures = np.stack([mixer.draw(rng) for _ in range(10)])
        with torch.inference_mode():
            pooled, logit = teacher(torch.from_numpy(mixtures))
        features.append(pooled.numpy().astype(np.float16))
        logits.append(logit.numpy().astype(np.float16))
        for mixture in mixtures:
            study = soxr.resample(mixture, TRAINING_RATE_HZ, DETECTION_RATE_HZ)[:STUDY_SAMPLES]
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
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--count", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (options.work / "targets").mkdir(parents=True, exist_ok=True)
    mixer = Mixer.of(load_recordings(options.data, may_teach, print))
    teacher = load_mn04(options.teacher)
    shards = -(-options.count // SHARD)
    for number in range(shards):
        path = shard_path(options.work, number)
        if not path.exists():
            beside = path.with_suffix(".part.npz")
            np.savez(beside, allow_pickle=False, **make_shard(mixer, teacher, options.seed, number))
            beside.rename(path)
        print(f"targets {number + 1}/{shards}", flush=True)


if __name__ == "__main__":
    main()
