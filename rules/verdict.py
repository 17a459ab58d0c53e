"""What a rule made of something that concerned it: the answer to "why did it not?"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from detectors.types import SoundEvent

GATES = (
    "payload", "state", "score", "for", "after", "count", "sequence", "disabled", "template", "condition",
    "cooldown", "keep_firing_for", "mode",
)  # fmt: skip
"""What can stop a rule, in the order in which it is passed: the later, the nearer it came."""


class Stopped(NamedTuple):
    """What stopped a rule."""

    gate: str
    """One of GATES."""
    why: str
    """What was measured, and what was wanted."""

    def __str__(self) -> str:
        return f"{self.gate}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One trigger of one rule, one moment."""

    rule_id: str
    trigger: int
    """Which of the rule's triggers, from 1."""
    at: float
    """Unix seconds of event time."""
    event: SoundEvent | None
    """The sound it was about, if one was."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """The message or the state it was about: `topic` and `payload`, or `entity_id` and `to_state`."""
    stopped: Stopped | None = None
    """None where the rule fired."""

    @property
    def nearness(self) -> int:
        """Return how far the rule came."""
        if self.stopped is None:
            return len(GATES)
        return GATES.index(self.stopped.gate) if self.stopped.gate in GATES else 0
