"""A stream from a car: besides all other sounds, is a voice in the cabin or outside?

Only streams that say `cabin:` have such an ear. It hears the microphones apart, where the pipeline hears
their mean, and needs no encoder.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.streams.sounding import SCORE_DECIMALS, sound_event
from detectors import cabin_cues, gate, segmenter
from detectors.framing import Framer
from detectors.segmenter_plan import SegmenterSettings, plan
from detectors.types import AudioBlock, Hop, HopScores, SoundEvent
from detectors.voice import VoiceDetector
from fewshot_profiles.cabin import CABIN_FOLDER, CABIN_PROFILES, CabinMatcher, cabin_matchers, read_cabin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from daemon.config import Config
    from daemon.sources.settings import CabinSettings
    from daemon.streams.wall_clock import Timeline
    from fewshot_profiles.profile import Profile

SOONEST_HOPS = 6
"""Half a second of a voice is the least that the cues are worth."""
VOICE_HOPS = 12
VOICED_HOPS = 3
"""Of the last second, so many hops must sound like a voice to the voice detector."""
VOICE_FULL_SCALE_DB_SPL = 90.0
"""The voice detector expects a telephone's levels: it is given a voice of 60 dB at -30 dBFS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabin:
    """What a stream from a car is judged with."""

    settings: CabinSettings
    gate: gate.GateSettings
    matchers: Mapping[int, CabinMatcher]

    def ear(self, stream: str, *, rate_hz: int, channels: int, timeline: Timeline) -> CabinEar:
        """Return who listens to the stream, whose time `timeline` tells."""
        return CabinEar(self, stream, rate_hz=rate_hz, channels=channels, timeline=timeline)


class CabinEar:
    """Hears one stream; the first two channels count."""

    def __init__(self, cabin: Cabin, stream: str, *, rate_hz: int, channels: int, timeline: Timeline) -> None:
        self._cabin = cabin
        self._stream = stream
        self._timeline = timeline
        self._framers = [Framer(rate_hz=rate_hz, channels=1) for _ in range(min(channels, 2))]
        self._matcher = cabin.matchers[len(self._framers)]
        matcher = self._matcher.matcher
        self._plan = plan(matcher.thresholds, matcher.kinds, SegmenterSettings())
        self._cues = cabin_cues.initial_state(len(self._framers))
        self._gate = gate.GateState()
        self._segmenter = segmenter.initial_state(len(matcher.names))
        self._voice = VoiceDetector()
        self._voiced: deque[bool] = deque(maxlen=VOICE_HOPS)
        self._hops = 0

    def accept(self, block: AudioBlock) -> list[SoundEvent]:
        """Take the stream's next block; return what it decides."""
        hops = [
            framer.accept(
                AudioBlock(
                    samples=block.samples[channel : channel + 1], rate_hz=block.rate_hz, start=block.start
                )
            )
            for channel, framer in enumerate(self._framers)
        ]
        return self._hear(hops)

    def close(self) -> list[SoundEvent]:
        """End the stream; every voice that went on has ended."""
        events = self._hear([framer.flush() for framer in self._framers])
        return events + self._events(segmenter.finish(self._segmenter))

    def _hear(self, hops: Sequence[Sequence[Hop]]) -> list[SoundEvent]:
        events: list[SoundEvent] = []
        for apart in zip(*hops, strict=True):
            self._gate, reading = gate.step(self._gate, apart[0], self._cabin.gate)
            self._voiced.append(self._voice.step(self._amplified(apart[0])))
            scores = self._scores(np.stack([hop.samples for hop in apart]))
            heard = HopScores(
                index=apart[0].index,
                scores=scores,
                level_dbfs=reading.level_dbfs,
                noise_floor_dbfs=reading.noise_floor_dbfs,
                speech=bool(scores.any()),
            )
            self._segmenter, transitions = segmenter.step(
                self._segmenter, heard, reading.onset_sample, self._plan
            )
            self._hops += 1
            events += self._events(transitions)
        return events

    def _amplified(self, hop: Hop) -> Hop:
        full_scale_db_spl = self._cabin.settings.full_scale_db_spl
        gain = np.float32(10.0 ** ((full_scale_db_spl - VOICE_FULL_SCALE_DB_SPL) / 20.0))
        return Hop(index=hop.index, samples=hop.samples * gain)

    def _scores(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        settings = self._cabin.settings
        before = self._cues.spoken_hops
        self._cues = cabin_cues.step(self._cues, samples, settings.full_scale_db_spl)
        speaking = self._cues.spoken_hops > max(before, SOONEST_HOPS - 1)
        if not speaking or sum(self._voiced) < VOICED_HOPS:
            return np.zeros(len(CABIN_PROFILES), np.float32)
        found = cabin_cues.cues(self._cues, settings.microphone_distance_m)
        return np.round(self._matcher.score(found), SCORE_DECIMALS)

    def _events(self, transitions: Sequence[segmenter.Transition]) -> list[SoundEvent]:
        return [
            sound_event(
                transition,
                self._matcher.matcher,
                stream=self._stream,
                timeline=self._timeline,
                decided_hop=self._hops - 1,
            )
            for transition in transitions
        ]


def cabin_of(config: Config) -> Callable[[str], Cabin | None]:
    """Return which streams of the configuration are cabins. Raises ProfileError."""
    settings = {name: stream.cabin for name, stream in config.streams.items() if stream.cabin is not None}
    if not settings:
        return lambda _stream: None
    matchers = cabin_matchers(cabin_folders(config))
    cabins = {
        name: Cabin(settings=cabin, gate=config.gate.settings(), matchers=matchers)
        for name, cabin in settings.items()
    }
    return cabins.get


def cabin_folders(config: Config) -> list[Path]:
    """Return where the two profiles are: those that ship, and those of the owner's own car."""
    return [CABIN_FOLDER, adapted_folder(config)]


def adapted_folder(config: Config) -> Path:
    """Return where `heard cabin adapt` puts what it has learnt."""
    return config.state_dir / "cabin"


def cabin_profiles(config: Config) -> tuple[Profile, ...]:
    """Return the two profiles, if any stream is a cabin. Raises ProfileError."""
    if all(stream.cabin is None for stream in config.streams.values()):
        return ()
    return read_cabin(cabin_folders(config), 1)


def cabin_tags(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the names and tags of the two profiles, if any stream is a cabin. Raises ProfileError."""
    return {profile.name: profile.tags for profile in cabin_profiles(config)}
