"""How much a template may take: work, text, digits.

Work is counted and not timed, so that a machine that is busy decides as an idle one does, and a replay as
the daemon did.
"""

from __future__ import annotations

import threading
from typing import TypeVar

_Value = TypeVar("_Value")

MAX_TEXT = 16_384
"""Characters that one template may give, or one step on the way there."""
MAX_BITS = 1_024
"""Of a whole number."""
MAX_WORK = 1_000_000
"""Characters and items that all steps of one template may take and give: some ten milliseconds."""


class _Meter(threading.local):
    """What the template that this thread works out may still do."""

    left = MAX_WORK


_METER = _Meter()


def begin() -> None:
    """Give the template that comes next its work."""
    _METER.left = MAX_WORK


def bounded(value: _Value) -> _Value:
    """Return what is not too large; raises ValueError for what is, or where there was too much of it."""
    size = len(value) if isinstance(value, str | list | tuple) else 1
    _METER.left -= size
    if _METER.left < 0:
        raise ValueError(f"it works through more than {MAX_WORK} characters")
    if size > MAX_TEXT:
        raise ValueError(f"the text is longer than {MAX_TEXT} characters")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ValueError(f"a number has more than {MAX_BITS} bits")
    return value
