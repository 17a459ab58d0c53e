"""What a rule made of something that concerned it: the answer to "why did it not?"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detectors.types import SoundEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One rule, one moment."""

    rule_id: str
    at: float
    """Unix seconds of event time."""
    event: SoundEvent | None
    stopped_by: str
    """The gate that stopped the rule, and by how much; empty where it fired."""
