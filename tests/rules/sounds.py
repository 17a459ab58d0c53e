"""Events and engines for the tests of the rules."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from detectors.types import Phase, SoundEvent
from rules.context import Context, House
from rules.engine import Engine
from rules.facts import World
from rules.state import Cause, TriggerKey

if TYPE_CHECKING:
    from datetime import tzinfo
    from typing import Any

    from rules.model import Rule


def sound(
    onset_at: float,
    *,
    profile: str = "finger_snap",
    stream: str = "desk",
    ended_at: float | None = None,
    decided_at: float | None = None,
    score: float = 0.9,
) -> SoundEvent:
    """Make the start of a sound, or its end where `ended_at` is given; decided at once if nothing is said."""
    last = onset_at if ended_at is None else ended_at
    return SoundEvent(
        id=f"{stream}-{profile}-{onset_at}",
        phase=Phase.STARTED if ended_at is None else Phase.ENDED,
        profile=profile,
        profile_version="v1",
        stream=stream,
        epoch_s=0.0,
        onset_s=onset_at,
        decided_s=last if decided_at is None else decided_at,
        end_s=ended_at,
        score=score,
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=False,
    )


def clip_url(event: SoundEvent) -> str:
    """Name a clip as the daemon might."""
    return f"clips/{event.id}.flac"


def engine(*rules: Rule) -> Engine:
    """Make an engine whose owner lives by UTC."""
    return Engine(rules, clip_url, UTC)


def context(at: float = 0.0, *, zone: tzinfo = UTC, trigger_id: str = "", **variables: Any) -> Context:
    """Make the moment at which a rule fires for a snap."""
    cause = Cause(trigger=TriggerKey("r", "t"), trigger_id=trigger_id, event=sound(at), at=at)
    house = House(clip_url=clip_url, zone=zone)
    return Context(house=house, world=World(), rule_id="r", cause=cause, at=at, variables=variables)
