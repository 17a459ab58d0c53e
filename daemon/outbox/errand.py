"""What can be asked of a door that takes time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rules.model import ActionRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One kind of request, and how it is carried out."""

    do: Callable[[ActionRequest], Awaitable[None]]
    """Raises RetryableError where it may be tried again, any other HeardError where it may not."""
    target: Callable[[ActionRequest], str]
    """Names what must not be overtaken, and what may be slow without holding up others. Holds no secret."""
    expires_s: Callable[[ActionRequest], float]
    """How long a request is worth delivering where its rule does not say."""

    def lifetime_s(self, request: ActionRequest) -> float:
        """Return how long a request is worth delivering."""
        return self.expires_s(request) if request.expires_s is None else request.expires_s
