"""A rule as a whole, and what it asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from detectors.types import SoundEvent
    from rules.model.actions import Action
    from rules.model.conditions import Condition
    from rules.model.triggers import Trigger


class Mode(StrEnum):
    """What happens when a rule fires whose actions still go on."""

    SINGLE = "single"
    RESTART = "restart"
    QUEUED = "queued"
    PARALLEL = "parallel"


MAX_RUNS = 100
"""How many runs of one rule may be under way where the rule does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When one of `triggers` fires and all `conditions` hold, `actions` follow in order."""

    id: str
    alias: str = ""
    description: str = ""
    enabled: bool = True
    triggers: tuple[Trigger, ...]
    conditions: tuple[Condition, ...] = ()
    actions: tuple[Action, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Worked out whenever a trigger fires, before the conditions."""
    mode: Mode = Mode.PARALLEL
    max_runs: int = MAX_RUNS
    """Runs that may be under way or wait, for the modes queued and parallel."""
    cooldown_s: float = 0.0
    """After the rule fired, it does not fire again for this long, whichever stream the sound is on."""
    keep_firing_for_s: float = 0.0
    """The same, but counted anew from everything that would have made it fire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """One thing to be done now because a rule fired, worked out in full."""

    id: str
    """The same for the same rule, sound and action whenever the audio is replayed."""
    rule_id: str
    action: str
    """One of the names in `rules.model.actions`; any other is an action of Home Assistant, with `target` and
    `data` for data."""
    event: SoundEvent | None
    """The sound that made the rule fire, the last of several; None where the clock did."""
    due_at: float
    """Unix seconds of event time; the engine holds a request back until then."""
    data: Mapping[str, Any] = field(default_factory=dict)
    expires_s: float | None = None
    """How long it is worth delivering; None: as long as its door says."""
