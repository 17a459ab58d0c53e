"""Cutting a sound out of the last seconds of a room, in which other things sounded, too."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.types import DETECTION_RATE_HZ, Samples
from fewshot_profiles.activity import separate_stretches
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.embedding import frame_clip
from fewshot_profiles.enrollment import Surroundings
from fewshot_profiles.example_audio import SHORTEST_S, ExampleAudio, examine
from fewshot_profiles.example_embedding import embed_as_recorded
from fewshot_profiles.heads import fit_head
from foundation.errors import ExampleError

MARGIN_S = 0.5
"""Kept around a sound that is cut out."""

_ROOM_DBFS = -45.0
"""What sounds throughout and is quieter than this is the room itself."""

_ALIKE_QUANTILE = 0.97
"""A sound is like another one if a head fitted to that one puts it above so much of the background."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One sound that stood out, and whether it can teach."""

    start_s: float
    """Seconds from the beginning of the recording."""
    end_s: float
    peak_dbfs: float
    example: ExampleAudio | None
    fault: str
    """Why it cannot teach, and what to do; empty where it can."""


def cut_sounds(name: str, samples: Samples, rate_hz: int) -> list[Cut]:
    """Find and cut every sound in a recording [channels, n], in order of time."""
    audio = frame_clip(samples, rate_hz).reshape(-1)
    cuts = []
    for number, region in enumerate(separate_stretches(audio), start=1):
        start_s, end_s = region.start / DETECTION_RATE_HZ, region.end / DETECTION_RATE_HZ
        throughout = region.start == 0 and region.end >= len(audio)
        if end_s - start_s < SHORTEST_S / 2 or (throughout and region.peak_dbfs < _ROOM_DBFS):
            continue
        first, last = round((start_s - MARGIN_S) * rate_hz), round((end_s + MARGIN_S) * rate_hz)
        example, fault = None, ""
        try:
            example = examine(f"{name} #{number}", samples[:, max(0, first) : last], rate_hz)
        except ExampleError as error:
            fault = str(error)
        cuts.append(
            Cut(start_s=start_s, end_s=end_s, peak_dbfs=region.peak_dbfs, example=example, fault=fault)
        )
    return cuts


def pick_numbers(cuts: Sequence[Cut], picked: Collection[int]) -> list[int]:
    """Return the places in `cuts` of what the owner picked, counted from 1. Raises ExampleError."""
    faults = []
    for number in sorted(picked):
        if not 1 <= number <= len(cuts):
            faults.append(f"There is no sound {number}: {len(cuts)} were found.")
        elif cuts[number - 1].example is None:
            faults.append(cuts[number - 1].fault)
    if faults:
        raise ExampleError("\n".join(faults))
    return [number - 1 for number in sorted(picked)]


def most_alike(cuts: Sequence[Cut], surroundings: Surroundings) -> list[int]:
    """Return the places of the largest group of sounds like each other; of equal groups the loudest.

    What another profile takes for speech is only chosen where there is nothing else: whoever teaches often
    says something. Raises ExampleError where no sound can teach.
    """
    usable = [place for place, cut in enumerate(cuts) if cut.example is not None]
    if not usable:
        faults = "\n".join(cut.fault for cut in cuts)
        raise ExampleError(faults or "Nothing stood out there: make the sound again, nearer or louder.")
    hops = {place: embed_as_recorded(surroundings.encoder, _example(cuts[place])) for place in usable}
    spoken = {place for place in usable if _is_speech(hops[place], surroundings)}
    wanted = [place for place in usable if place not in spoken] or usable
    groups = [_group_of(place, wanted, hops, surroundings.bank) for place in wanted]
    return max(groups, key=lambda group: (len(group), max(cuts[place].peak_dbfs for place in group)))


def _example(cut: Cut) -> ExampleAudio:
    assert cut.example is not None
    return cut.example


def _group_of(
    place: int, wanted: Sequence[int], hops: dict[int, NDArray[np.float32]], bank: BackgroundBank
) -> list[int]:
    if len(wanted) == 1:
        return [place]
    rows = hops[place]
    background = bank.embeddings[:: max(1, len(bank.embeddings) // 2_000)]
    head = fit_head(rows, np.ones(len(rows), np.float32), background, bank.scaling)
    edge = np.quantile(head.logits(background), _ALIKE_QUANTILE)
    return [other for other in wanted if other == place or np.median(head.logits(hops[other])) > edge]


def _is_speech(hops: NDArray[np.float32], surroundings: Surroundings) -> bool:
    for profile in surroundings.others:
        if profile.name == "speech":
            scores = 1.0 / (1.0 + np.exp(-profile.detector.head.logits(hops)))
            return bool(np.mean(scores >= profile.threshold) > 0.5)
    return False
