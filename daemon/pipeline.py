"""The whole chain on one screen: blocks of audio go in, sounds come out. Live and replay both use it.

    AudioBlock ─▶ Framer ─▶ gate · VoiceDetector ─▶ Encoder ─▶ Matcher ─▶ segmenter ─▶ SoundEvent

Synchronous and deterministic: what comes out depends on the samples alone, not on how they were cut into
blocks, nor on which other streams share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from daemon.streams.cabin import Cabin, CabinEar
from daemon.streams.listening import Listening, Task
from daemon.streams.sounding import SCORE_DECIMALS, sound_event
from daemon.streams.wall_clock import Course, Timeline
from detectors import gate, segmenter
from detectors.encoders import Encoder
from detectors.framing import Framer
from detectors.segmenter_plan import SegmenterSettings, plan
from detectors.types import HOP_S, AudioBlock, HopScores, SoundEvent
from detectors.voice import VoiceDetector
from fewshot_profiles.matcher import Matcher

TOP_PROFILES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamReading:
    """What a stream sounds like now."""

    level_dbfs: float
    noise_floor_dbfs: float
    gate_open: bool
    speech: bool
    top: tuple[tuple[str, float], ...]
    """The highest scores and their profiles, best first; empty while the gate is shut."""
    hops: int
    """Since the stream opened."""
    encoder_hops: int
    """Of these, how many the encoder heard."""
    opened_hop: int | None = None
    """The first hop since the gate opened the last time; None: it never has."""
    spoken_hop: int | None = None
    """Where the speech began that is going on, whatever the gate does; None: nobody speaks."""
    epoch_s: float = 0.0
    """What to add to seconds of the stream, so that they are Unix time."""
    profiles: tuple[str, ...] = ()
    """What is listened for."""
    newest_scores: NDArray[np.float32] | None = field(default=None, compare=False)
    """Of these profiles; None while the gate is shut."""

    @property
    def scores(self) -> dict[str, float]:
        """The score of every profile, by name."""
        if self.newest_scores is None:
            return dict.fromkeys(self.profiles, 0.0)
        return {name: _score(score) for name, score in zip(self.profiles, self.newest_scores, strict=True)}


class Tap(Protocol):
    """Is told what the encoder made of each hop; it must not wait for anything."""

    def hear(
        self,
        matcher: Matcher,
        batch: Sequence[Listening],
        tasks: Sequence[Task],
        embeddings: NDArray[np.float32],
        scores: NDArray[np.float32],
    ) -> None:
        """Take one hop of each stream of the batch: [streams, dim] and [streams, profiles]."""


class Pipeline:
    """Detects on any number of streams, all of them in one batch."""

    def __init__(
        self,
        encoder: Encoder,
        matcher: Matcher,
        *,
        gate_settings: gate.GateSettings | None = None,
        segmenter_settings: SegmenterSettings | None = None,
        tap: Tap | None = None,
        cabin_of: Callable[[str], Cabin | None] = lambda _stream: None,
    ) -> None:
        self._encoder = encoder
        self._cabin_of = cabin_of
        self._ears: dict[str, CabinEar] = {}
        self._tap = tap
        self._gate_settings = gate_settings or gate.GateSettings()
        self._segmenter_settings = segmenter_settings or SegmenterSettings()
        self._streams: dict[str, Listening] = {}
        self._use(matcher)

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams that are open."""
        return tuple(self._streams)

    def open(self, stream: str, *, rate_hz: int, channels: int, epoch_s: float) -> None:
        """Begin a stream, whose first sample sounded at `epoch_s` (Unix seconds)."""
        if stream in self._streams:
            raise ValueError(f"stream {stream} is open already")
        timeline = Timeline(epoch_s)
        self._streams[stream] = Listening(
            name=stream,
            timeline=timeline,
            framer=Framer(rate_hz=rate_hz, channels=channels),
            voice=VoiceDetector(),
            encoder_state=self._encoder.initial_state(),
            segmenter_state=segmenter.initial_state(len(self._matcher.names)),
        )
        if (cabin := self._cabin_of(stream)) is not None:
            self._ears[stream] = cabin.ear(stream, rate_hz=rate_hz, channels=channels, timeline=timeline)

    def correct(self, stream: str, course: Course) -> None:
        """Tell the time of a stream by `course`; to be called before the audio that it concerns."""
        self._streams[stream].timeline.follow(course)

    def accept(self, blocks: Mapping[str, AudioBlock]) -> list[SoundEvent]:
        """Take the next block of any of the streams; return what they decide, in order of time."""
        streams = [self._streams[name] for name in blocks]
        for stream in streams:
            stream.accept(blocks[stream.name], self._gate_settings)
        events = self._detect(streams)
        voices = [
            event for name in blocks if name in self._ears for event in self._ears[name].accept(blocks[name])
        ]
        return sorted(events + voices, key=lambda event: event.decided_at) if voices else events

    def close(self, stream: str) -> list[SoundEvent]:
        """End a stream; return its last events, in which every sound that went on has ended."""
        ending = self._streams[stream]
        ending.flush(self._gate_settings)
        events = self._detect([ending])
        events += self._finish(ending)
        if stream in self._ears:
            events += self._ears.pop(stream).close()
        del self._streams[stream]
        return events

    def reading(self, stream: str) -> StreamReading | None:
        """Return what a stream sounds like now; None before its first hop."""
        state = self._streams[stream]
        if state.newest is None:
            return None
        heard = state.newest
        top: tuple[tuple[str, float], ...] = ()
        if heard.reading.open and state.scores is not None:
            best = np.argsort(-state.scores, kind="stable")[:TOP_PROFILES].tolist()
            top = tuple((self._matcher.names[at], _score(state.scores[at])) for at in best)
        return StreamReading(
            level_dbfs=heard.reading.level_dbfs,
            noise_floor_dbfs=heard.reading.noise_floor_dbfs,
            gate_open=heard.reading.open,
            speech=heard.speech,
            top=top,
            hops=state.hops,
            encoder_hops=state.encoder_hops,
            opened_hop=state.opened_hop,
            spoken_hop=state.spoken_hop,
            epoch_s=state.timeline.epoch_at(state.hops * HOP_S),
            profiles=self._matcher.names,
            newest_scores=state.scores if heard.reading.open else None,
        )

    def replace_matcher(self, matcher: Matcher) -> list[SoundEvent]:
        """Listen for other profiles from the next hop on; the sounds of those that are gone end here.

        A profile that keeps its name and kind goes on where it was, under its new threshold.
        """
        before = {
            (name, kind): place
            for place, (name, kind) in enumerate(zip(self._matcher.names, self._matcher.kinds, strict=True))
        }
        places = np.array(
            [before.get(key, -1) for key in zip(matcher.names, matcher.kinds, strict=True)], dtype=np.int64
        )
        events = [
            self._event(stream, transition, stream.hops - 1)
            for stream in self._streams.values()
            for transition in segmenter.gone(stream.segmenter_state, places)
        ]
        for stream in self._streams.values():
            stream.segmenter_state = segmenter.carried_over(stream.segmenter_state, places)
            stream.past = None if stream.past is None else matcher.carried_over(stream.past, self._matcher)
            stream.scores = None
        self._use(matcher)
        return events

    def _use(self, matcher: Matcher) -> None:
        self._matcher = matcher
        self._plan = plan(matcher.thresholds, matcher.kinds, self._segmenter_settings)
        self._nothing = np.zeros(len(matcher.names), np.float32)
        self._cold = matcher.cold()

    def _detect(self, streams: Sequence[Listening]) -> list[SoundEvent]:
        """Judge every hop that waits: in each round one of every stream, those to encode in one batch."""
        events: list[SoundEvent] = []
        while True:
            batch: list[Listening] = []
            for stream in streams:
                while stream.tasks and not stream.tasks[0].encode:
                    events += self._segment(stream, stream.tasks.popleft(), self._nothing)
                if stream.tasks:
                    batch.append(stream)
            if not batch:
                return sorted(events, key=lambda event: event.decided_at)
            tasks = [stream.tasks.popleft() for stream in batch]
            scores = self._score(batch, tasks)
            for row, (stream, task) in enumerate(zip(batch, tasks, strict=True)):
                stream.scores = scores[row]
                stream.encoder_hops += 1
                events += self._segment(stream, task, scores[row])

    def _score(self, batch: Sequence[Listening], tasks: Sequence[Task]) -> NDArray[np.float32]:
        """Advance the encoder by one hop for all streams of the batch; return [streams, profiles]."""
        before = [
            self._encoder.initial_state() if task.afresh else stream.encoder_state
            for stream, task in zip(batch, tasks, strict=True)
        ]
        states, embeddings = self._encoder.step(
            np.stack(before), np.stack([task.heard.hop.samples for task in tasks])
        )
        for row, stream in enumerate(batch):
            stream.encoder_state = states[row]
        pasts, scores = self._matcher.follow(
            embeddings,
            np.stack(
                [
                    self._cold if task.afresh or stream.past is None else stream.past
                    for stream, task in zip(batch, tasks, strict=True)
                ]
            ),
        )
        for row, stream in enumerate(batch):
            stream.past = pasts[row]
        scores = np.round(scores, SCORE_DECIMALS)
        if self._tap is not None:
            self._tap.hear(self._matcher, batch, tasks, embeddings, scores)
        return scores

    def _segment(self, stream: Listening, task: Task, scores: NDArray[np.float32]) -> list[SoundEvent]:
        heard = task.heard
        hop = HopScores(
            index=heard.hop.index,
            scores=scores,
            level_dbfs=heard.reading.level_dbfs,
            noise_floor_dbfs=heard.reading.noise_floor_dbfs,
            speech=heard.speech,
        )
        stream.segmenter_state, transitions = segmenter.step(
            stream.segmenter_state, hop, heard.reading.onset_sample, self._plan
        )
        return [self._event(stream, transition, task.decided_hop) for transition in transitions]

    def _finish(self, stream: Listening) -> list[SoundEvent]:
        transitions = segmenter.finish(stream.segmenter_state)
        return [self._event(stream, transition, stream.hops - 1) for transition in transitions]

    def _event(self, stream: Listening, transition: segmenter.Transition, decided_hop: int) -> SoundEvent:
        return sound_event(
            transition,
            self._matcher,
            stream=stream.name,
            timeline=stream.timeline,
            decided_hop=decided_hop,
        )


def _score(score: float) -> float:
    """Return a score as the decimal number that it was rounded to."""
    return round(float(score), SCORE_DECIMALS)
