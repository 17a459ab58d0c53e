"""Events and audio for the tests of the daemon's organs."""

from __future__ import annotations

from typing import Any

import numpy as np

from daemon.evidence.clips import Clip
from detectors.types import AudioBlock, Phase, SoundEvent

RATE_HZ = 8_000
EPOCH_S = 1_700_000_000.0


def sound(*, onset_s: float = 10.0, **changes: Any) -> SoundEvent:
    """Return an event; its id follows from the onset unless it is given."""
    values: dict[str, Any] = {
        "id": f"{round(onset_s * 1000):016x}",
        "phase": Phase.STARTED,
        "profile": "glass_breaking",
        "profile_version": "v1",
        "stream": "kitchen",
        "epoch_s": EPOCH_S,
        "onset_s": onset_s,
        "decided_s": onset_s + 0.2,
        "end_s": None,
        "score": 0.9,
        "level_dbfs": -20.0,
        "noise_floor_dbfs": -60.0,
        "speech": False,
    }
    return SoundEvent(**{**values, **changes})


def pcm(start: int, end: int, *, channels: int = 1) -> np.ndarray[Any, np.dtype[np.int16]]:
    """Return samples that tell their own index and channel."""
    ramp = (np.arange(start, end) % 30_000).astype(np.int16)
    return np.stack([ramp + channel for channel in range(channels)])


def block(start: int, end: int, *, channels: int = 1, rate_hz: int = RATE_HZ) -> AudioBlock:
    """Return the samples of `pcm` as a source would."""
    samples = pcm(start, end, channels=channels) * np.float32(1 / 32_768)
    return AudioBlock(samples=samples, rate_hz=rate_hz, start=start)


def clip(
    event: SoundEvent | None = None, *, rule_ids: tuple[str, ...] = ("r1",), seconds: float = 1.0
) -> Clip:
    """Return a clip that begins half a second before its event."""
    event = event or sound()
    start = round((event.onset_s - 0.5) * RATE_HZ)
    return Clip(
        event=event,
        rule_ids=rule_ids,
        pcm=pcm(start, start + round(seconds * RATE_HZ)),
        rate_hz=RATE_HZ,
        start=start,
        encoder_id="builtin-0123456789ab",
    )
