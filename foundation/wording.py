"""Words that every message to the owner shares."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest(name: object, known: Iterable[str]) -> str | None:
    """Return the known name that was probably meant, or None."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = get_close_matches(str(name)[:100].casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", else what is known, else nothing."""
    known = sorted(known)
    close = suggest(name, known)
    if close is not None:
        return f"; did you mean {close!r}?"
    return f"; known are {', '.join(known)}" if known else ""


def describe(value: object) -> str:
    """Say in the owner's words what a YAML value is."""
    if isinstance(value, str):
        # What is more than text knows itself how it is shown: cut, a secret would be told.
        return repr(value if len(value) <= 60 or type(value) is not str else value[:57] + "...")
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, int | float):
        return f"the number {value!r}"[:80]
    if value is None:
        return "nothing"
    word = {"list": "list", "dict": "mapping"}.get(type(value).__name__, type(value).__name__)
    return f"a {word}" if value else f"an empty {word}"


def expected_text(found: object) -> str:
    """Say that text was expected, and how to quote what YAML read as something else."""
    message = f"expected text, found {describe(found)}"
    if isinstance(found, bool):
        return f"{message} (YAML reads an unquoted on, off, yes or no as a boolean: put the word in quotes)"
    if isinstance(found, int | float):
        return f"{message} (put it in quotes)"
    return message
