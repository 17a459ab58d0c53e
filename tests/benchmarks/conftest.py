"""A folder of recordings small enough for a test."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

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
