"""The stock profiles listening to recordings, through the very code of `heard replay`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.encoders import load_encoder
from benchmarks.report import progress
from benchmarks.stock import read_stock
from daemon.pipeline import Pipeline
from daemon.replay import replay
from detectors.types import DETECTION_RATE_HZ, AudioBlock, Phase
from fewshot_profiles.matcher import Matcher

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.dataset import Recording
    from daemon.replay import ReplayedFile
    from detectors.encoders import Encoder
    from detectors.gate import GateSettings
    from detectors.types import Samples, SoundEvent
    from fewshot_profiles.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An encoder and the profiles made for it, at their shipped thresholds."""

    encoder: Encoder
    profiles: tuple[Profile, ...]

    def pipeline(self, gate_settings: GateSettings | None = None) -> Pipeline:
        """Return the daemon's chain, with no stream open yet."""
        return Pipeline(self.encoder, Matcher(self.profiles), gate_settings=gate_settings)

    def hear(self, recordings: Sequence[Recording]) -> Iterator[tuple[Recording, ReplayedFile]]:
        """Yield what is heard in each recording. Raises AudioFileError for one that cannot be read."""
        replayed = replay(self.pipeline(), [recording.file for recording in recordings])
        for recording, heard in zip(progress(recordings, "Listening"), replayed, strict=True):
            if heard.error is not None:
                raise heard.error
            yield recording, heard


def hear_samples(
    pipeline: Pipeline,
    audio: Sequence[Samples],
    *,
    rate_hz: int = DETECTION_RATE_HZ,
    phase: Phase = Phase.ENDED,
) -> list[list[SoundEvent]]:
    """Return every sound heard in each piece, as it ended or as it started; pieces are mono.

    Side by side, each as a stream that begins with it: what is heard does not depend on the others.
    """
    streams = [str(number) for number in range(len(audio))]
    for stream in streams:
        pipeline.open(stream, rate_hz=rate_hz, channels=1, epoch_s=0.0)
    events: list[SoundEvent] = []
    for start in range(0, max(map(len, audio)), rate_hz):
        events += pipeline.accept(
            {
                stream: AudioBlock(samples=piece[None, start : start + rate_hz], rate_hz=rate_hz, start=start)
                for stream, piece in zip(streams, audio, strict=True)
                if start < len(piece)
            }
        )
    for stream in streams:
        events += pipeline.close(stream)
    chosen = [event for event in events if event.phase is phase]
    return [[event for event in chosen if event.stream == stream] for stream in streams]


def stock_listener(encoder_name: str) -> Listener:
    """Return the stock profiles with this encoder. Raises SystemExit where they have not been made."""
    encoder = load_encoder(encoder_name)
    profiles, _ = read_stock(encoder.id)
    return Listener(encoder=encoder, profiles=profiles)
