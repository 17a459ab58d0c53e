"""How the outbox is, for whoever asks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.outbox.file import Outcome

if TYPE_CHECKING:
    from collections import Counter, deque
    from collections.abc import Mapping

    from daemon.outbox.entries import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A target that does not take what waits for it."""

    target: str
    waiting: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How the outbox is. The counts are those since the start."""

    waiting: int
    oldest_s: float | None
    """Seconds for which the oldest has waited; None: nothing waits."""
    delivered: int
    failed: int
    expired: int
    pushed_out: int
    dropped: int
    fault: str | None
    """Why nothing reaches the disk; actions are delivered from memory then."""
    troubles: tuple[Trouble, ...]


def figures(waiting: Mapping[str, deque[Entry]], counts: Counter[Outcome], fault: str | None) -> Figures:
    """Return how it is, of what waits for each target and how the rest has ended."""
    heads = {target: entries[0] for target, entries in waiting.items() if entries}
    oldest = min((entry.put_at for entry in heads.values()), default=None)
    troubles = [
        Trouble(target=target, waiting=len(waiting[target]), problem=entry.problem)
        for target, entry in heads.items()
        if entry.problem
    ]
    return Figures(
        waiting=sum(map(len, waiting.values())),
        oldest_s=None if oldest is None else max(0.0, time.time() - oldest),
        delivered=counts[Outcome.DELIVERED],
        failed=counts[Outcome.FAILED],
        expired=counts[Outcome.EXPIRED],
        pushed_out=counts[Outcome.PUSHED_OUT],
        dropped=counts[Outcome.DROPPED],
        fault=fault,
        troubles=tuple(sorted(troubles, key=lambda each: -each.waiting)),
    )
