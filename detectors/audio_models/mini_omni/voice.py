"""Speech out of mini-omni's audio tokens as they come."""

from __future__ import annotations

import torch
from torch import Tensor

from detectors.audio_models import Clip
from detectors.audio_models.mini_omni.codec import Codec, levels_of
from detectors.audio_models.mini_omni.config import STREAMS

CHUNK_FRAMES = 4
"""What is spoken at once: 341 ms."""


def frames_of(steps: Tensor) -> Tensor:
    """Return the complete frames [n, STREAMS] of audio tokens [steps, STREAMS].

    Stream i starts i + 1 steps after the text, so a frame lies askew.
    """
    count = max(0, len(steps) - STREAMS)
    return torch.stack([steps[i + 1 : i + 1 + count, i] for i in range(STREAMS)], dim=1)


class Voice:
    """Collects the tokens of each step, and says what can be said."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._steps: list[Tensor] = []
        self._spoken_frames = 0

    def push(self, tokens: Tensor) -> Clip | None:
        """Take one step's audio tokens [STREAMS]; return the next piece where enough has come."""
        self._steps.append(tokens)
        ready = len(self._steps) - STREAMS - self._codec.reach_frames
        return self._say(ready) if ready >= self._spoken_frames + CHUNK_FRAMES else None

    def finish(self) -> Clip | None:
        """Return what was held back."""
        ready = len(self._steps) - STREAMS
        return self._say(ready) if ready > self._spoken_frames else None

    def _say(self, end: int) -> Clip:
        start = self._spoken_frames
        before = min(start, self._codec.reach_frames)
        frames = frames_of(torch.stack(self._steps))[start - before : end + self._codec.reach_frames]
        # A token beyond the codebook has no sound; the last entry stands in for it.
        samples = self._codec(levels_of(frames.clamp(max=self._codec.codes - 1)))
        size = self._codec.frame_samples
        piece = samples[before * size : (before + end - start) * size]
        self._spoken_frames = end
        return Clip(samples=piece.cpu().numpy(), rate_hz=self._codec.rate_hz)
