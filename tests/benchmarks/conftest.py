"""A folder of recordings small enough for a test."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from benchmarks.encoders import LogMelStatistics
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.embedding import embed_framed, frame_clip
from fewshot_profiles.heads import Scaling

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 16_000


@pytest.fixture
def tiny_data(tmp_path: Path) -> Path:
    """Seven classes of tones, eight clips each in four folds; the pitch tells the class."""
    data = tmp_path / "tiny"
    data.mkdir()
    rng = np.random.default_rng(1)
    time_s = np.arange(RATE_HZ) / RATE_HZ
    with (data / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        manifest = csv.writer(file)
        manifest.writerow(["path", "label", "fold", "group", "split", "may_contain"])
        for label in range(7):
            for take in range(8):
                name = f"tone{label}_{take}.wav"
                tone = 0.3 * np.sin(2 * np.pi * 200 * 1.8**label * time_s) + 0.003 * rng.normal(size=RATE_HZ)
                soundfile.write(data / name, tone.astype(np.float32), RATE_HZ)
                split = "train" if label == 6 else "novel"
                manifest.writerow([name, f"tone{label}", 1 + take % 4, "", split, ""])
    return data


@pytest.fixture
def household(tmp_path: Path) -> Path:
    """Two kinds of tones, eight takes of each, and four rooms of 31 s in which neither sounds."""
    data = tmp_path / "household"
    data.mkdir()
    rng = np.random.default_rng(1)
    with (data / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        manifest = csv.writer(file)
        manifest.writerow(["path", "label", "source", "split", "may_contain"])
        for label, pitch_hz in (("beep", 2_000), ("hum", 300)):
            for take in range(8):
                clip = 0.001 * rng.normal(size=2 * RATE_HZ)
                time_s = np.arange(RATE_HZ // 2) / RATE_HZ
                at = int(rng.integers(2_000, 12_000))
                clip[at : at + len(time_s)] += 0.3 * np.sin(2 * np.pi * (pitch_hz + 5 * take) * time_s)
                soundfile.write(data / f"{label}{take}.wav", clip.astype(np.float32), RATE_HZ)
                manifest.writerow([f"{label}{take}.wav", label, "taught", "valid", ""])
        for room in range(4):
            noise = 0.02 * rng.normal(size=31 * RATE_HZ)
            soundfile.write(data / f"room{room}.wav", noise.astype(np.float32), RATE_HZ)
            manifest.writerow([f"room{room}.wav", "room", "noixer", "valid", "wind"])
    return data


@pytest.fixture
def tiny_bank() -> BackgroundBank:
    """A background bank for the baseline without weights: noise of several colours, as `log_mel` hears it."""
    encoder = LogMelStatistics()
    rng = np.random.default_rng(2)
    clips = []
    for colour in range(12):
        noise = rng.normal(size=20 * RATE_HZ + 400)
        if colour % 2:
            noise = np.convolve(noise, 0.8 ** np.arange(30), mode="same")
        clips.append(frame_clip((0.05 / (1 + colour) * noise).astype(np.float32), RATE_HZ))
    hops = [clip.hops[::8] for clip in embed_framed(encoder, clips)]
    embeddings = np.concatenate(hops)
    return BackgroundBank(
        encoder=str(encoder.id),
        embeddings=embeddings,
        recording=np.repeat(np.arange(len(hops)), [len(each) for each in hops]).astype(np.int32),
        ambient=np.ones(len(embeddings), dtype=np.bool_),
        scaling=Scaling.of(embeddings),
        hours=240.0 / 3_600.0,
    )
