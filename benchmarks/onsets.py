"""Clips of short sounds strung together on faint noise, with the places where they begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.activity import active_regions
from fewshot_profiles.embedding import frame_clip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.dataset import Recording
    from detectors.types import Samples

FIRST_ONSET_S = 6.0
"""Start-up is not what is timed, and the gate has to learn its noise floor."""
GAP_S = 3.0
LEAD_S = 0.1
LONGEST_SOUND_S = 1.5
BED_DBFS = -62.0
PEAK_DBFS = -9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One sound in what a stream plays."""

    stream: str
    profile: str
    onset_s: float


def compose(recordings: Sequence[Recording], *, stream: str, seed: int) -> tuple[Samples, list[Placed]]:
    """String the first sound of each clip together, 16 kHz mono; return the audio and where sounds begin."""
    rng = np.random.default_rng(seed)
    quiet_s = FIRST_ONSET_S + rng.uniform(0.0, GAP_S)
    pieces: list[Samples] = [np.zeros(round(quiet_s * DETECTION_RATE_HZ), np.float32)]
    placed: list[Placed] = []
    for recording in recordings:
        sound = first_sound(recording)
        if sound is None:
            continue
        audio, onset = sound
        at = sum(map(len, pieces))
        placed.append(
            Placed(stream=stream, profile=recording.profile, onset_s=(at + onset) / DETECTION_RATE_HZ)
        )
        # Not a whole number of hops, so that onsets fall anywhere between two decisions.
        gap = round((GAP_S + rng.uniform(0.0, 0.5)) * DETECTION_RATE_HZ)
        pieces += [audio, np.zeros(gap, np.float32)]
    audio = np.concatenate(pieces)
    bed = rng.normal(0.0, 10.0 ** (BED_DBFS / 20.0), len(audio)).astype(np.float32)
    return audio + bed, placed


def first_sound(recording: Recording) -> tuple[Samples, int] | None:
    """Cut the clip's first sound out, brought to one level; return it and its onset in samples."""
    audio = frame_clip(*recording.load()).ravel()
    regions = active_regions(audio)
    if not regions:
        return None
    lead = round(LEAD_S * DETECTION_RATE_HZ)
    first = max(0, regions[0].start - lead)
    cut = audio[first : first + lead + round(LONGEST_SOUND_S * DETECTION_RATE_HZ)].copy()
    cut *= np.float32(10.0 ** (PEAK_DBFS / 20.0) / np.abs(cut).max())
    return cut, regions[0].start - first
