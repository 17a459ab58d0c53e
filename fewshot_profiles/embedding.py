"""Audio into embeddings, in the same way for enrolment, training and benchmarks as in the live pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.encoders import Encoder
from detectors.framing import Framer
from detectors.levels import rms_dbfs
from detectors.types import HOP_SAMPLES, AudioBlock, Samples


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEmbeddings:
    """What an encoder made of a clip, hop by hop, from the state of a stream that has heard nothing yet."""

    hops: NDArray[np.float32]
    """Unit vectors [hops, dim]"""
    level_dbfs: NDArray[np.float32]
    """RMS of each hop [hops]"""


def frame_clip(samples: Samples, rate_hz: int) -> Samples:
    """Cut a clip, [n] or [channels, n], into hops as the live pipeline does: [hops, HOP_SAMPLES]."""
    channels = np.atleast_2d(np.asarray(samples, dtype=np.float32))
    framer = Framer(rate_hz=rate_hz, channels=channels.shape[0])
    hops = framer.accept(AudioBlock(samples=channels, rate_hz=rate_hz, start=0)) + framer.flush()
    if not hops:
        return np.zeros((0, HOP_SAMPLES), dtype=np.float32)
    return np.stack([hop.samples for hop in hops])


def embed_clip(encoder: Encoder, samples: Samples, rate_hz: int) -> ClipEmbeddings:
    """Embed one clip, [n] or [channels, n]."""
    return embed_framed(encoder, [frame_clip(samples, rate_hz)])[0]


def embed_framed(encoder: Encoder, clips: Sequence[Samples]) -> list[ClipEmbeddings]:
    """Embed framed clips side by side, as if each were a stream: one call a hop for all that still run."""
    results = [np.zeros((len(clip), encoder.id.dim), dtype=np.float32) for clip in clips]
    running = sorted(range(len(clips)), key=lambda index: -len(clips[index]))
    states = np.repeat(encoder.initial_state()[None], len(clips), axis=0)
    for step in range(max((len(clip) for clip in clips), default=0)):
        running = [index for index in running if len(clips[index]) > step]
        hops = np.stack([clips[index][step] for index in running])
        states, embeddings = encoder.step(states[: len(running)], hops)
        for row, index in enumerate(running):
            results[index][step] = embeddings[row]
    return [
        ClipEmbeddings(hops=result, level_dbfs=np.array([rms_dbfs(hop) for hop in clip], dtype=np.float32))
        for result, clip in zip(results, clips, strict=True)
    ]
