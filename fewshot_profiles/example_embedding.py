"""Examples as the encoder hears them: as they were recorded, and as they might have been."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import Encoder
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples
from fewshot_profiles.activity import Region
from fewshot_profiles.augmentation import vary
from fewshot_profiles.embedding import embed_framed, frame_clip
from fewshot_profiles.example_audio import ExampleAudio, active_hops
from fewshot_profiles.fitting import Positives

VARIANTS = 0
"""Noise, levels and shifts of our own making: heads that had them heard real sounds less well."""
LONGEST_TAUGHT_S = 20.0
"""Of a longer example this much is taught: more of the same teaches nothing more."""

_TAIL_HOPS = 2  # the encoder still hears a sound for a moment after it
_BEFORE_S = 1.0  # it is given so much of what came before a sound
_AFTER_S = 0.5


def embed_examples(encoder: Encoder, recordings: Sequence[ExampleAudio]) -> Positives:
    """Embed the sounding hops of each example, as recorded and in variants that depend on nothing else."""
    rng = np.random.default_rng(0)
    clips, masks, example, variant = [], [], [], []
    for number, recording in enumerate(recordings):
        audio, regions = _around_the_sound(recording)
        for take in range(VARIANTS + 1):
            clips.append(frame_clip(vary(audio, rng) if take else audio, DETECTION_RATE_HZ))
            masks.append(active_hops(regions, len(clips[-1]), _TAIL_HOPS))
            example.append(number)
            variant.append(take)
    embedded = [clip.hops[mask] for clip, mask in zip(embed_framed(encoder, clips), masks, strict=True)]
    counts = [len(hops) for hops in embedded]
    return Positives(
        hops=np.concatenate(embedded),
        example=np.repeat(np.array(example, dtype=np.int32), counts),
        variant=np.repeat(np.array(variant, dtype=np.int32), counts),
    )


def _around_the_sound(recording: ExampleAudio) -> tuple[Samples, tuple[Region, ...]]:
    """Return the part that sounds with what lies just around it, in whole hops, and where it sounds there."""
    first = max(0, recording.regions[0].start - int(_BEFORE_S * DETECTION_RATE_HZ))
    first -= first % HOP_SAMPLES
    last = min(recording.regions[-1].end + int(_AFTER_S * DETECTION_RATE_HZ), len(recording.audio))
    last = min(last, first + int((LONGEST_TAUGHT_S + _BEFORE_S) * DETECTION_RATE_HZ))
    regions = tuple(
        Region(start=region.start - first, end=min(region.end, last) - first, peak_dbfs=region.peak_dbfs)
        for region in recording.regions
        if region.start < last
    )
    return recording.audio[first:last], regions


def embed_as_recorded(encoder: Encoder, recording: ExampleAudio) -> NDArray[np.float32]:
    """Embed the sounding hops of one example, without variants: [hops, dim]."""
    audio, regions = _around_the_sound(recording)
    clip = frame_clip(audio, DETECTION_RATE_HZ)
    embedded = embed_framed(encoder, [clip])[0].hops
    return np.asarray(embedded[active_hops(regions, len(clip), _TAIL_HOPS)])
