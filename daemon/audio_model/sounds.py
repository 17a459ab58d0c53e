"""What the full audio model hears, as sounds that begin and end, each told once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from detectors.types import DETECTION_RATE_HZ, Decider, Phase, SoundEvent, event_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.audio_model.segments import Look, Segment, Segments
    from fewshot_profiles.profile import Profile


class ModelSounds:
    """Gives `onward` what neither the profiles nor the model have told yet."""

    def __init__(self, segments: Segments, onward: Callable[[SoundEvent], None]) -> None:
        self._segments = segments
        self._onward = onward
        self._known: dict[tuple[str, str], SoundEvent] = {}
        """What the profiles themselves told last, by stream and profile."""
        self._kept_quiet: set[str] = set()
        """Sounds of profiles that the model had told already."""

    def is_news(self, event: SoundEvent) -> bool:
        """Take a sound that a profile heard; return whether it still has to be told."""
        if event.phase is Phase.ENDED and event.id in self._kept_quiet:
            self._kept_quiet.remove(event.id)
            return False
        if event.phase is Phase.STARTED and self._segments.sounds(event.stream, event.profile):
            self._kept_quiet.add(event.id)
            return False
        self._known[event.stream, event.profile] = event
        return True

    def heard(self, look: Look, profile: Profile | None, score: float) -> None:
        """Take what a stretch is; None: nothing that anybody asked for."""
        sounds = look.segment.sounds
        for name in [name for name in sounds if profile is None or name != profile.name]:
            self._end(look.segment, name, look.end_s)
        if profile is None or profile.name in sounds or self._known_already(look, profile.name):
            return
        event = sounds[profile.name] = _started(look, profile, score)
        self._onward(event)
        if profile.kind == "impulse":
            self._end(look.segment, profile.name, look.end_s)

    def end_all(self, segment: Segment, end_s: float) -> None:
        """End what goes on in a segment that is over."""
        for name in list(segment.sounds):
            self._end(segment, name, end_s)

    def _known_already(self, look: Look, profile: str) -> bool:
        """Whether the profile itself has told of this sound."""
        known = self._known.get((look.segment.stream, profile))
        epoch_s = look.segment.epoch_s
        if known is None or known.onset_at > epoch_s + look.end_s:
            return False
        return known.ended_at is None or known.ended_at >= epoch_s + look.start_s

    def _end(self, segment: Segment, name: str, end_s: float) -> None:
        event = segment.sounds.pop(name)
        decided_s = max(end_s, event.decided_s)
        self._onward(replace(event, phase=Phase.ENDED, end_s=max(end_s, event.onset_s), decided_s=decided_s))


def _started(look: Look, profile: Profile, score: float) -> SoundEvent:
    segment = look.segment
    onset_s = max(segment.opened_s, look.start_s)
    # Another key than the profile's own sounds have: both may begin at the same sample.
    key = f"{profile.name} {Decider.AUDIO_MODEL}"
    onset_sample = round(onset_s * DETECTION_RATE_HZ)
    return SoundEvent(
        id=event_id(stream=segment.stream, profile=key, epoch_s=segment.epoch_s, onset_sample=onset_sample),
        phase=Phase.STARTED,
        profile=profile.name,
        profile_version=profile.version,
        stream=segment.stream,
        epoch_s=segment.epoch_s,
        onset_s=onset_s,
        decided_s=look.end_s,
        end_s=None,
        score=round(score, 4),
        level_dbfs=look.level_dbfs,
        noise_floor_dbfs=look.noise_floor_dbfs,
        speech=look.speech,
        decided_by=Decider.AUDIO_MODEL,
    )
