"""What the full audio model is shown of a stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from daemon.evidence.ring import AudioNotHeld
from detectors.audio_models import Clip

if TYPE_CHECKING:
    from daemon.evidence.recorder import EvidenceRecorder

LOOK_S = 0.2


async def clip_of(recorder: EvidenceRecorder, stream: str, start_s: float, end_s: float) -> Clip:
    """Return a stretch of a stream as one channel, once it has been heard; less of it if the stream ends.

    Raises EvidenceUnavailable where nothing of it is held.
    """
    ring = recorder.ring(stream)
    wanted = round(end_s * ring.rate_hz)
    while ring.end < wanted and recorder.holds(stream, ring):  # noqa: ASYNC110 - a ring tells nobody
        # Recordings come faster than their own time, and a stream may end before.
        await asyncio.sleep(min(LOOK_S, (wanted - ring.end) / ring.rate_hz))
    start, end = max(round(start_s * ring.rate_hz), ring.start), min(wanted, ring.end)
    if end <= start:
        raise AudioNotHeld(start=start, end=wanted, held_start=ring.start, held_end=ring.end)
    return Clip(samples=ring.read(start, end).mean(axis=0, dtype=np.float32), rate_hz=ring.rate_hz)
