"""What an endpoint is spared: more calls in an hour than the owner allows, and calls while it is down."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from foundation.errors import AudioModelUnavailable, PromptError

HOUR_S = 3_600.0
OPENS_AFTER = 3
"""Failures in a row; then nothing is sent for a while."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
_MOST_DOUBLINGS = 16


class Guard:
    """Counts calls and failures; every call goes through it."""

    def __init__(self, *, calls_per_hour: int, clock: Callable[[], float]) -> None:
        self._calls_per_hour = calls_per_hour
        self._clock = clock
        self._calls: deque[float] = deque()
        self._failures = 0
        self._shut_until = 0.0
        self._trying = False

    @property
    def calls_left(self) -> int:
        """How many calls this hour still has."""
        while self._calls and self._calls[0] <= self._clock() - HOUR_S:
            self._calls.popleft()
        return self._calls_per_hour - len(self._calls)

    @contextmanager
    def call(self) -> Iterator[None]:
        """One call: what happens inside says how the endpoint is. Raises AudioModelUnavailable beforehand."""
        self._admit()
        try:
            yield
        except PromptError:
            # It answered, if only that it cannot be asked this.
            self._failures, self._trying = 0, False
            raise
        except BaseException:
            self._failed()
            raise
        self._failures, self._trying = 0, False

    def _admit(self) -> None:
        now = self._clock()
        if self._failures >= OPENS_AFTER and (now < self._shut_until or self._trying):
            left = max(self._shut_until - now, 0.0)
            raise AudioModelUnavailable(f"the endpoint is down, and is tried again in {left:.0f} s")
        if self.calls_left <= 0:
            left = (self._calls[0] + HOUR_S - now) / 60 if self._calls else HOUR_S / 60
            raise AudioModelUnavailable(
                f"the {self._calls_per_hour} calls of this hour are used up; the next in {left:.0f} min"
            )
        self._calls.append(now)
        # After a pause, one call shows whether the endpoint is back; until then no other is sent.
        self._trying = self._failures >= OPENS_AFTER

    def _failed(self) -> None:
        self._failures += 1
        self._trying = False
        if self._failures >= OPENS_AFTER:
            doublings = min(self._failures - OPENS_AFTER, _MOST_DOUBLINGS)
            bound_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**doublings)
            # Drawn like `foundation.backoff`, but never next to nothing: the endpoint is to be left alone.
            self._shut_until = self._clock() + random.uniform(bound_s / 2, bound_s)  # noqa: S311 - no secret
