"""Utterances of one and a half to four seconds, cut at the pauses of read speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.types import DETECTION_RATE_HZ
from training.cabin.noises import Audio, read_audio
from training.recordings import Row

FRAME_SAMPLES = 320
QUIET_DB = 35.0
"""A frame this far under the loudest belongs to a pause."""
PAUSE_FRAMES = 12
SHORTEST_S, LONGEST_S = 1.5, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What somebody said without a long pause."""

    talker: str
    samples: Audio


def read_utterances(data: Path, rows: Sequence[Row]) -> list[Utterance]:
    """Read and cut all speech among these rows."""
    return [
        Utterance(talker=row.group, samples=piece)
        for row in rows
        if row.label == "speech"
        for piece in cut(read_audio(data / row.path))
    ]


def cut(samples: Audio) -> Iterator[Audio]:
    """Yield stretches that begin and end with speech; what is longer than LONGEST_S is cut there."""
    frames = np.square(samples[: len(samples) // FRAME_SAMPLES * FRAME_SAMPLES]).reshape(-1, FRAME_SAMPLES)
    level = frames.mean(axis=1)
    spoken = np.flatnonzero(level > level.max() * 10.0 ** (-QUIET_DB / 10.0))
    if not spoken.size:
        return
    shortest, longest = (round(s * DETECTION_RATE_HZ / FRAME_SAMPLES) for s in (SHORTEST_S, LONGEST_S))
    start = last = int(spoken[0])
    for frame in [*spoken[1:].tolist(), int(spoken[-1]) + longest]:
        paused = frame - last > PAUSE_FRAMES
        if (paused and last - start >= shortest) or frame - start >= longest:
            if last - start >= shortest:
                yield samples[start * FRAME_SAMPLES : (last + 1) * FRAME_SAMPLES]
            start = frame
        last = frame
