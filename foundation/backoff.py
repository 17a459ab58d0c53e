"""How long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_MOST_DOUBLINGS = 16


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Full jitter: each wait is drawn from 0 to a bound that doubles with every failure.

    (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.) Those who lost the same thing at
    the same time do not come back for it at the same time.
    """

    first_s: float
    """The bound after the first failure."""
    most_s: float
    """The bound never grows past this."""
    steady_after_s: float
    """What lasted this long was a good one: the next failure begins anew."""
    _failures: int = field(default=0, init=False)

    def after(self, lasted_s: float) -> float:
        """Return the seconds to wait after something held for `lasted_s` and failed."""
        if lasted_s > self.steady_after_s:
            self._failures = 0
        bound_s = min(self.most_s, self.first_s * 2.0**self._failures)
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        return random.uniform(0, bound_s)  # noqa: S311 - no secret
