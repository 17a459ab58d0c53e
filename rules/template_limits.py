"""How much a template may take: computing time, text, digits."""

from __future__ import annotations

import math
import threading
import time
from typing import TypeVar

_Value = TypeVar("_Value")

MAX_TEXT = 16_384
"""Characters that one template may give, or one step on the way there."""
MAX_BITS = 1_024
"""Of a whole number."""
MAX_SECONDS = 0.08
"""For one template. They take a thousandth of it; only what never ends comes near."""


class _Watch(threading.local):
    """The clock of the template that this thread works out."""

    until = math.inf


_WATCH = _Watch()


def begin() -> None:
    """Give the template that comes next its time."""
    _WATCH.until = time.perf_counter() + MAX_SECONDS


def bounded(value: _Value) -> _Value:
    """Return what is not too large; raises ValueError for what is, or where the time is up."""
    if time.perf_counter() > _WATCH.until:
        raise ValueError(f"it takes longer than {MAX_SECONDS * 1000:.0f} ms")
    if isinstance(value, str | list | tuple) and len(value) > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError(f"a number has more than {MAX_BITS} bits")
    return value
