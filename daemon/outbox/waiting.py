"""What waits in the outbox: within bounds, each request for its lifetime, and until when the disk has it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.outbox.entries import Entry

MAX_WAITING = 10_000
MAX_BYTES = 32_000_000
"""Where more waits, the target that most waits for gives up its oldest."""
DISK_PATIENCE_S = 2.0
"""An alarm does not wait longer for a disk that hangs."""


class Waiting:
    """Keeps count of the requests that have not ended."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._unwritten: dict[int, tuple[Entry, float]] = {}
        """By number: what the disk is to have first, and since when."""
        self._bytes = 0
        self._next_expiry_s = math.inf

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        """Give them as they are now, whatever ends meanwhile."""
        return iter(list(self._entries.values()))

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._entries

    def add(self, entry: Entry) -> None:
        """Take another one in."""
        self._entries[entry.id] = entry
        self._bytes += entry.size
        self._next_expiry_s = min(self._next_expiry_s, entry.until_s)

    def remove(self, entry: Entry) -> None:
        """Let go of one that has ended."""
        del self._entries[entry.id]
        self._unwritten.pop(entry.seq, None)
        self._bytes -= entry.size

    def has_room(self, size: int) -> bool:
        """Tell whether one more of this size fits."""
        return not self._entries or (len(self) < MAX_WAITING and self._bytes + size <= MAX_BYTES)

    def expired(self, now_s: float) -> list[Entry]:
        """Return those whose time is over, but for one that is just being tried."""
        if now_s < self._next_expiry_s:
            return []
        left = (each.until_s for each in self._entries.values() if each.until_s > now_s)
        self._next_expiry_s = min(left, default=math.inf)
        return [each for each in self if each.until_s <= now_s and each.trying is None]

    def hand_over(self, entry: Entry, now_s: float) -> None:
        """Note that the disk is to have it first."""
        self._unwritten[entry.seq] = (entry, now_s)

    def is_written(self, entry: Entry) -> bool:
        """Tell whether nobody waits for the disk to have it."""
        return entry.seq not in self._unwritten

    def written(self, seq: int) -> Entry | None:
        """Return what the disk has got; None: it has ended meanwhile, or was let go as the disk hung."""
        return self._unwritten.pop(seq, (None, 0.0))[0]

    def let_go(self, now_s: float) -> list[Entry]:
        """Return those that have waited for the disk long enough, and wait for it no more."""
        hanging = [entry for entry, since_s in self._unwritten.values() if now_s - since_s > DISK_PATIENCE_S]
        for entry in hanging:
            del self._unwritten[entry.seq]
        return hanging
