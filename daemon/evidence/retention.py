"""Which clips have to go: too old, too many bytes, too many of one profile."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.evidence.ledger import Entry

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much evidence is kept."""

    keep_days: float = 30.0
    max_bytes: int = 2_000_000_000
    max_clips_per_profile: int = 500


def to_retire(stored: Iterable[Entry], limits: Limits, *, now: float) -> list[tuple[Entry, str]]:
    """Return the clips that exceed `limits` and why, the oldest first; the newest are kept longest."""
    retired: list[tuple[Entry, str]] = []
    kept_bytes = 0
    kept_of_profile: Counter[str] = Counter()
    for entry in sorted(stored, key=lambda entry: (entry.onset_at, entry.clip), reverse=True):
        reason = None
        if entry.onset_at < now - limits.keep_days * DAY_S:
            reason = f"older than {limits.keep_days:g} days"
        elif kept_of_profile[entry.profile] >= limits.max_clips_per_profile:
            reason = f"more than {limits.max_clips_per_profile} clips of {entry.profile}"
        elif kept_bytes + entry.size_bytes > limits.max_bytes:
            reason = f"more than {limits.max_bytes} bytes"
        if reason is None:
            kept_bytes += entry.size_bytes
            kept_of_profile[entry.profile] += 1
        else:
            retired.append((entry, reason))
    return retired[::-1]
