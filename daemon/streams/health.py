"""Judges from its audio whether a stream can hear: never silently deaf."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from detectors.types import AudioBlock

_SILENT_PEAK = 10 ** (-90 / 20)
"""Below this peak nothing is connected: the quietest real microphone hisses louder."""

_SILENT_AFTER_S = 30.0
"""A digital pause in a file or a muted call is shorter than this."""

_CLIPPED_LEVEL = 0.999
_CLIPPED_SHARE = 0.01
"""One sample in a hundred at full scale can be heard as distortion."""

_REMEMBER_S = 10.0
"""How long clipping or a loss of audio shows after it happened."""


class Health(StrEnum):
    """What an owner sees about one stream."""

    OK = "ok"
    SILENT = "silent"
    CLIPPING = "clipping"
    DROPPING = "dropping"
    DISABLED = "disabled"


class HealthMeter:
    """Watches the blocks of one stream. Time here is audio received, so that a replay judges alike."""

    def __init__(self) -> None:
        self._heard_s = 0.0
        self._silent_since_s: float | None = None
        self._clipped_at_s = -_REMEMBER_S
        self._lost_at_s = -_REMEMBER_S

    def observe(self, block: AudioBlock) -> None:
        """Take one block into account."""
        if block.samples.size == 0:
            return
        before_s = self._heard_s
        self._heard_s += block.samples.shape[1] / block.rate_hz
        peak = max(float(block.samples.max()), -float(block.samples.min()))
        # Audio that is not a number counts as silent: nothing can be heard in it.
        if peak >= _SILENT_PEAK:
            self._silent_since_s = None
        elif self._silent_since_s is None:
            self._silent_since_s = before_s
        if peak >= _CLIPPED_LEVEL and _clipped_share(block) >= _CLIPPED_SHARE:
            self._clipped_at_s = self._heard_s

    def lost_audio(self) -> None:
        """Say that samples of this stream were thrown away just now."""
        self._lost_at_s = self._heard_s

    @property
    def health(self) -> Health:
        """The worst that is true now."""
        if self._heard_s - self._lost_at_s < _REMEMBER_S:
            return Health.DROPPING
        if self._silent_since_s is not None and self._heard_s - self._silent_since_s >= _SILENT_AFTER_S:
            return Health.SILENT
        if self._heard_s - self._clipped_at_s < _REMEMBER_S:
            return Health.CLIPPING
        return Health.OK


def _clipped_share(block: AudioBlock) -> float:
    return float(np.mean(np.abs(block.samples) >= _CLIPPED_LEVEL))
