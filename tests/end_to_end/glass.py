"""Breaking glass, as it was recorded, to be played to a daemon; and whether a clip holds what was played."""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

if TYPE_CHECKING:
    from pathlib import Path

    from detectors.types import Samples

RATE_HZ = 48_000
PIECE_S = 2.5
PAUSE_S = 1.5

RULES = """
- id: glass
  triggers: [{trigger: sound, profile: glass_breaking}]
  actions:
    - action: heard.save_clip
    - action: mqtt.publish
      data:
        topic: home/alarm/glass
        payload: {stream: "{{ trigger.stream }}", clip: "{{ trigger.clip_url }}"}
"""


def breaking_glass(shared: Path, path: Path, *, pieces: int = 5) -> Path:
    """Write a file with several recordings that nothing was trained on, each after a pause."""
    with (shared / "audio" / "manifest.csv").open(encoding="utf-8", newline="") as manifest:
        rows = [row for row in csv.DictReader(manifest) if row["source"] == "esc50"]
    chosen = [row for row in rows if row["label"] == "glass_breaking" and row["split"] == "valid"]
    room = np.random.default_rng(0).standard_normal(round(PAUSE_S * RATE_HZ)) * 3e-4
    played: list[Samples] = []
    for row in itertools.islice(chosen, pieces):
        played += [room.astype(np.float32), _loudest_piece(shared / "audio" / row["path"])]
    soundfile.write(path, np.concatenate([*played, room.astype(np.float32)]), RATE_HZ)
    return path


def _loudest_piece(path: Path) -> Samples:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    mono = soxr.resample(samples[:, 0], rate_hz, RATE_HZ)
    energy = np.concatenate(([0.0], np.cumsum(mono.astype(np.float64) ** 2)))
    length = min(len(mono), round(PIECE_S * RATE_HZ))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    piece = mono[max(0, start - RATE_HZ // 10) : start + length]
    quiet: Samples = (0.5 * piece / np.abs(piece).max()).astype(np.float32)
    return quiet


def likeness(clip: Path, played: Path) -> float:
    """Return how well the loudest half second of the clip is found in what was played, 0…1."""
    (kept, kept_hz), (whole, whole_hz) = _read(clip), _read(played)
    kept, whole = soxr.resample(kept, kept_hz, 16_000), soxr.resample(whole, whole_hz, 16_000)
    length = 8_000
    energy = np.concatenate(([0.0], np.cumsum(kept**2)))
    start = int(np.argmax(energy[length:] - energy[:-length]))
    sought = kept[start : start + length]
    size = 1 << (len(whole) + length).bit_length()
    matches = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(sought, size)), size)
    matches = np.abs(matches[: len(whole) - length])
    power = np.concatenate(([0.0], np.cumsum(whole**2)))
    norms = np.sqrt((power[length:] - power[:-length])[: len(matches)] * np.sum(sought**2))
    return float(np.max(matches / np.maximum(norms, 1e-3)))


def _read(path: Path) -> tuple[Any, int]:
    samples, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    return samples.mean(axis=1), rate_hz
