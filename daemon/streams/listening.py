"""One stream, up to the encoder: what it carries from hop to hop, and which hops the encoder is to hear."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from detectors import gate
from detectors.voice import RUN_HOPS, SpeechRun

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from daemon.streams.wall_clock import Timeline
    from detectors.framing import Framer
    from detectors.segmenter import SegmenterState
    from detectors.types import AudioBlock, Hop
    from detectors.voice import VoiceDetector

PREROLL_HOPS = 1
"""Heard again when the gate opens: an onset may begin just before. More would be quiet that dilutes it: with
five, the median message came 100 ms later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One hop and what was read off it before any encoder."""

    hop: Hop
    reading: gate.GateReading
    speech: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One hop on its way to the segmenter."""

    heard: Heard
    encode: bool
    """False: the gate was shut, every score is 0."""
    afresh: bool
    """The encoder starts here as if it had heard nothing yet."""
    decided_hop: int
    """The newest hop that was there when this one could be judged."""


@dataclass(slots=True, kw_only=True)
class Listening:
    """Everything that one stream carries from hop to hop."""

    name: str
    timeline: Timeline
    framer: Framer
    voice: VoiceDetector
    encoder_state: NDArray[np.float32]
    segmenter_state: SegmenterState
    past: NDArray[np.float32] | None = None
    """What the matcher knows of the last seconds; None: nothing yet."""
    gate_state: gate.GateState = field(default_factory=gate.GateState)
    preroll: deque[Heard] = field(default_factory=deque)
    tasks: deque[Task] = field(default_factory=deque)
    newest: Heard | None = None
    scores: NDArray[np.float32] | None = None
    opened_hop: int | None = None
    """The first hop that was heard since the gate opened the last time."""
    speech_run: SpeechRun = field(default_factory=SpeechRun)
    spoken_hop: int | None = None
    """Where the speech began that is going on; None: nobody speaks."""
    hops: int = 0
    encoder_hops: int = 0

    def accept(self, block: AudioBlock, settings: gate.GateSettings) -> None:
        """Take the stream's next block; what it completes waits in `tasks`."""
        for hop in self.framer.accept(block):
            self._listen(hop, settings)

    def flush(self, settings: gate.GateSettings) -> None:
        """End the stream: whatever is left of it waits in `tasks`."""
        for hop in self.framer.flush():
            self._listen(hop, settings)
        for heard in self.preroll:
            self.tasks.append(Task(heard=heard, encode=False, afresh=False, decided_hop=self.hops - 1))
        self.preroll.clear()

    def _listen(self, hop: Hop, settings: gate.GateSettings) -> None:
        """Gate one hop. Behind a shut gate it waits for as long as the encoder may still warm up on it."""
        self.gate_state, reading = gate.step(self.gate_state, hop, settings)
        heard = Heard(hop=hop, reading=reading, speech=self.voice.step(hop))
        if not self.speech_run.step(speech=heard.speech):
            self.spoken_hop = None
        elif self.spoken_hop is None:
            self.spoken_hop = max(0, hop.index + 1 - RUN_HOPS)
        self.preroll.append(heard)
        if reading.open:
            afresh = self.newest is None or not self.newest.reading.open
            if afresh:
                self.opened_hop = self.preroll[0].hop.index
            for each in self.preroll:
                self.tasks.append(Task(heard=each, encode=True, afresh=afresh, decided_hop=hop.index))
                afresh = False
            self.preroll.clear()
        elif len(self.preroll) > PREROLL_HOPS:
            passed = self.preroll.popleft()
            self.tasks.append(Task(heard=passed, encode=False, afresh=False, decided_hop=hop.index))
        self.newest = heard
        self.hops += 1
