"""A small world to enrol in: an encoder without weights, and a bank of made-up background."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ, HOP_S, Samples
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.heads import Scaling


def tone(hz: float, seconds: float = 0.4, *, level: float = 0.3) -> Samples:
    """A struck tone with two overtones, in a quiet second of hiss."""
    rng = np.random.default_rng(int(hz))
    times = np.arange(int(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    sound = sum(np.sin(2 * np.pi * hz * k * times) / k for k in (1, 2, 3)) * np.exp(-times / (seconds / 3))
    audio = rng.normal(scale=1e-4, size=int(1.0 * DETECTION_RATE_HZ) + len(times))
    start = DETECTION_RATE_HZ // 2
    audio[start : start + len(times)] += level * sound
    return audio.astype(np.float32)


def noise(seed: int, seconds: float = 4.0, *, level: float = 0.05) -> Samples:
    """Coloured noise that swells and falls."""
    rng = np.random.default_rng(seed)
    count = int(seconds * DETECTION_RATE_HZ)
    white = rng.normal(size=count + 32)
    coloured = np.convolve(white, rng.uniform(0.1, 0.9) ** np.arange(32), mode="valid")[:count]
    swell = 1.0 + 0.8 * np.sin(2 * np.pi * rng.uniform(0.2, 2.0) * np.arange(count) / DETECTION_RATE_HZ)
    return (level * swell * coloured).astype(np.float32)


@pytest.fixture(scope="session")
def encoder() -> LogMelStatistics:
    """Mean and spread of mel bands: a real encoder, if a weak one."""
    return LogMelStatistics()


@pytest.fixture(scope="session")
def bank(encoder: LogMelStatistics) -> BackgroundBank:
    """Two minutes of noise and of tones lower than those that tests enrol."""
    clips = [noise(seed) for seed in range(24)] + [tone(hz) for hz in (110.0, 150.0, 190.0, 240.0)]
    hops = [embed_clip(encoder, clip, DETECTION_RATE_HZ).hops[2::4] for clip in clips]
    embeddings = np.concatenate(hops)
    return BackgroundBank(
        encoder=str(encoder.id),
        embeddings=embeddings,
        recording=np.repeat(np.arange(len(hops), dtype=np.int32), [len(part) for part in hops]),
        ambient=np.ones(len(embeddings), dtype=bool),
        scaling=Scaling.of(embeddings),
        hours=len(embeddings) * 4 * HOP_S / 3_600.0,
    )


@pytest.fixture
def chimes(tmp_path: Path) -> list[Path]:
    """Four recordings of a bell at about 900 Hz."""
    paths = []
    for number, hz in enumerate((880.0, 900.0, 915.0, 930.0)):
        path = tmp_path / f"chime{number}.wav"
        soundfile.write(path, tone(hz, level=0.1 + 0.1 * number), DETECTION_RATE_HZ)
        paths.append(path)
    return paths
