"""From what a segmenter says of a stream to the event that everybody else hears of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, SoundEvent, event_id

if TYPE_CHECKING:
    from daemon.streams.wall_clock import Timeline
    from detectors.segmenter import Transition
    from fewshot_profiles.matcher import Matcher

SCORE_DECIMALS = 4
"""Which streams share a batch moves the last bits of an embedding; scores are rounded before they decide."""

LEVEL_DECIMALS = 1


def sound_event(
    transition: Transition, matcher: Matcher, *, stream: str, timeline: Timeline, decided_hop: int
) -> SoundEvent:
    """Return the fact: a profile of `matcher` began or ended, known once `decided_hop` was there."""
    profile = matcher.names[transition.profile]
    end = transition.end_sample
    epoch_s = timeline.epoch_of(profile, transition.onset_sample, transition.phase)
    return SoundEvent(
        id=event_id(stream=stream, profile=profile, epoch_s=epoch_s, onset_sample=transition.onset_sample),
        phase=transition.phase,
        profile=profile,
        profile_version=matcher.versions[transition.profile],
        stream=stream,
        epoch_s=epoch_s,
        onset_s=transition.onset_sample / DETECTION_RATE_HZ,
        decided_s=(decided_hop + 1) * HOP_SAMPLES / DETECTION_RATE_HZ,
        end_s=None if end is None else end / DETECTION_RATE_HZ,
        score=round(float(transition.score), SCORE_DECIMALS),
        level_dbfs=round(transition.level_dbfs, LEVEL_DECIMALS),
        noise_floor_dbfs=round(transition.noise_floor_dbfs, LEVEL_DECIMALS),
        speech=transition.speech,
    )
