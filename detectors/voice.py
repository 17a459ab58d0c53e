"""Is somebody speaking? WebRTC's voice activity detector: a fact beside the other readings, never a gate."""

from __future__ import annotations

from collections import deque

import numpy as np
import webrtcvad

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Hop

FRAMES_PER_HOP = 4
"""WebRTC decides on 10, 20 or 30 ms; four times 20 ms are a hop."""

FRAME_BYTES = HOP_SAMPLES // FRAMES_PER_HOP * 2

DEFAULT_MODE = 3
"""0 takes most for speech, 3 least. On training audio mode 3 flags 82 % of the hops of read speech but also
56 % of an ambience's, mode 2 88 % and 65 %: a hint, no more."""

RUN_HOPS = 10
BEGINS_HOPS = 8
"""Of the last RUN_HOPS, 0.64 of 0.8 s: with six of eight, noise began to speak six times as often."""
ENDS_HOPS = 4
"""With fewer of the last RUN_HOPS it is over: words have gaps."""
BEFORE_HOPS = 125
PAUSING_SHARE = 0.5
"""At most so much of the 10 s before is flagged: nobody speaks without a pause, and rain, fans and vacuum
cleaners are flagged all the time. Without this bound 58 % of 1.6 h of steady noise behind a shut gate counted
as somebody speaking; with it nothing lasted, and one run an hour or so began."""


class VoiceDetector:
    """Hears one stream. The detector's model of the background lives in the C library, one per stream."""

    def __init__(self, mode: int = DEFAULT_MODE) -> None:
        self._vad = webrtcvad.Vad(mode)

    def step(self, hop: Hop) -> bool:
        """Return whether most of this hop is speech. Hops come in order."""
        pcm = np.rint(np.clip(hop.samples, -1.0, 1.0) * 32767.0).astype(np.int16).tobytes()
        frames: list[bool] = [
            self._vad.is_speech(pcm[at : at + FRAME_BYTES], DETECTION_RATE_HZ)
            for at in range(0, len(pcm), FRAME_BYTES)
        ]
        return sum(frames) * 2 > FRAMES_PER_HOP


class SpeechRun:
    """Follows one stream's flags: has somebody begun to speak who was not speaking all the time before?"""

    def __init__(self) -> None:
        self._flags: deque[bool] = deque()
        self._newest = self._before = 0
        self._on = False

    def step(self, *, speech: bool) -> bool:
        """Take the next hop's flag; return whether a run of speech is going on."""
        self._flags.append(speech)
        self._newest += speech
        if len(self._flags) > RUN_HOPS:
            aged = self._flags[-1 - RUN_HOPS]
            self._newest -= aged
            self._before += aged
        if len(self._flags) > RUN_HOPS + BEFORE_HOPS:
            self._before -= self._flags.popleft()
        earlier = len(self._flags) - RUN_HOPS
        pausing = self._before <= PAUSING_SHARE * max(earlier, 0)
        self._on = pausing and self._newest >= (ENDS_HOPS if self._on else BEGINS_HOPS)
        return self._on
