"""Sounds that rules make of others: `heard.emit`."""

from __future__ import annotations

import math
from dataclasses import replace

from detectors.types import Decider, Phase, SoundEvent
from rules.model import ActionRequest


def derived_sounds(request: ActionRequest) -> tuple[SoundEvent, SoundEvent]:
    """Return the start and the end of the sound that a request of `heard.emit` stands for.

    It began when the sound that made the rule fire did, so that a clip of the one is a clip of the other.
    """
    cause, data = request.event, request.data
    epoch_s = 0.0 if cause is None else cause.epoch_s
    at_s = request.due_at - epoch_s
    started = SoundEvent(
        id=request.id,
        phase=Phase.STARTED,
        profile=str(data["event"]),
        profile_version=f"rule {request.rule_id}",
        stream=str(data["stream"]),
        epoch_s=epoch_s,
        onset_s=at_s if cause is None else cause.onset_s,
        decided_s=at_s,
        end_s=None,
        score=float(data["score"]),
        level_dbfs=-math.inf if cause is None else cause.level_dbfs,
        noise_floor_dbfs=-math.inf if cause is None else cause.noise_floor_dbfs,
        speech=False if cause is None else cause.speech,
        decided_by=Decider.RULES,
    )
    return started, replace(started, phase=Phase.ENDED, end_s=at_s)
