"""One value of a rule file at a time: read as what is wanted, or refused at its place."""

from __future__ import annotations

import math
import re
from datetime import time
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from foundation.wording import describe, did_you_mean, expected_text, suggest
from foundation.yaml_document import YamlDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from foundation.errors import Problem
    from foundation.yaml_document import Loc

_T = TypeVar("_T")

MAX_DURATION_S = 7 * 86_400.0
_CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DURATION = re.compile(r"([0-9]{1,6}):([0-5]?[0-9])(?::([0-5]?[0-9](?:\.[0-9]{1,6})?))?")
_UNITS_S = {"days": 86_400.0, "hours": 3_600.0, "minutes": 60.0, "seconds": 1.0, "milliseconds": 0.001}


class Node(NamedTuple):
    """A value of a document. Each reading method returns None after noting why it could not.

    A named tuple, as a large file has half a million values.
    """

    document: YamlDocument
    loc: Loc
    value: Any
    problems: list[Problem]
    """Shared by all nodes of one document; grows."""
    warnings: list[Problem]
    """The same for what can be used, but never does anything."""

    def refuse(self, message: str, *, key: bool = False) -> None:
        """Note that this value, or its key, cannot be used."""
        self.problems.append(self.document.problem(self.loc, message, key=key))

    def warn(self, message: str, *, key: bool = False) -> None:
        """Note that this value, or its key, can never do what it is there for."""
        self.warnings.append(self.document.problem(self.loc, message, key=key))

    def child(self, part: str | int, value: object) -> Node:
        """Return the value one step further down, in the file that it was included from."""
        if isinstance(value, YamlDocument):
            return Node(value, (), value.data, self.problems, self.warnings)
        return Node(self.document, (*self.loc, part), value, self.problems, self.warnings)

    def entries(
        self,
        known: Sequence[str],
        *,
        also: Mapping[str, str] = {},
        refused: Mapping[str, str] = {},
    ) -> dict[str, Node] | None:
        """Return a mapping's values by key, having refused keys that are not known.

        `also` gives other spellings and the key they stand for; `refused` what to say to keys of which
        more is known than that they are unknown.
        """
        if not isinstance(self.value, dict):
            self.refuse(f"expected a mapping with {_listed(known)}, found {describe(self.value)}")
            return None
        found: dict[str, Node] = {}
        for key, value in self.value.items():
            node, name = self.child(key, value), also.get(key, key)
            if name in found:
                node.refuse(f"{found[name].loc[-1]!r} and {key!r} mean the same: keep one of them", key=True)
            elif name in known:
                found[name] = node
            else:
                meant = did_you_mean(key, known if suggest(key, also) is None else also)
                why = refused.get(key) or f"unknown key {key!r}{meant}"
                node.refuse(why, key=True)
        return found

    def items(self) -> Iterator[Node]:
        """Give a list's values, or a single value that stands for a list of one."""
        if isinstance(self.value, list):
            for index, value in enumerate(self.value):
                yield self.child(index, value)
        else:
            yield self

    def text(self) -> str | None:
        """Read text that is not empty."""
        if not isinstance(self.value, str):
            self.refuse(expected_text(self.value))
            return None
        if not self.value.strip():
            self.refuse("expected text, found nothing in the quotes")
            return None
        return self.value

    def flag(self) -> bool | None:
        """Read true or false."""
        if isinstance(self.value, bool):
            return self.value
        self.refuse(f"expected true or false, found {describe(self.value)}")
        return None

    def choice(self, known: Sequence[str], *, planned: Sequence[str] = ()) -> str | None:
        """Read one of the known words."""
        if not isinstance(self.value, str):
            self.refuse(f"expected {_listed(known, last='or')}, found {describe(self.value)}")
        elif self.value in known:
            return self.value
        elif self.value in planned:
            self.refuse(f"{self.value!r} is not supported yet; supported: {', '.join(known)}")
        else:
            self.refuse(f"unknown {self._name()} {self.value!r}{did_you_mean(self.value, known)}")
        return None

    def number(self, low: float, high: float) -> float | None:
        """Read a number from `low` to `high`."""
        if (
            isinstance(self.value, int | float)
            and not isinstance(self.value, bool)
            and low <= self.value <= high
        ):
            return float(self.value)
        self.refuse(f"expected a number from {low:g} to {high:g}, found {describe(self.value)}")
        return None

    def whole(self, low: int, high: int) -> int | None:
        """Read a whole number from `low` to `high`."""
        if isinstance(self.value, int) and not isinstance(self.value, bool) and low <= self.value <= high:
            return self.value
        self.refuse(f"expected a whole number from {low} to {high}, found {describe(self.value)}")
        return None

    def seconds(self) -> float | None:
        """Read a duration: seconds, "hours:minutes:seconds", or a mapping of units."""
        if isinstance(self.value, dict):
            return self._unit_seconds()
        seconds: float | None = None
        if isinstance(self.value, int | float) and not isinstance(self.value, bool):
            seconds = float(self.value)
        elif isinstance(self.value, str) and (match := _DURATION.fullmatch(self.value)):
            hours, minutes, rest = match.groups(default="0")
            seconds = int(hours) * 3_600 + int(minutes) * 60 + float(rest)
        if seconds is None:
            self.refuse(
                'expected a duration such as "00:00:30", 30 (seconds) or {minutes: 5},'
                f" found {describe(self.value)}"
            )
            return None
        return self._bounded(seconds)

    def clock(self) -> time | None:
        """Read a time of day."""
        found = clock_time(self.value)
        if found is None:
            self.refuse(f'expected a time of day such as "22:00:00", found {describe(self.value)}')
        return found

    def _unit_seconds(self) -> float | None:
        if not self.value:
            self.refuse("expected a duration such as {minutes: 5}, found an empty mapping")
            return None
        units = self.entries(tuple(_UNITS_S)) or {}
        amounts = {name: node.number(0, 1e9) for name, node in units.items()}
        if len(amounts) < len(self.value) or None in amounts.values():
            return None
        return self._bounded(sum(_UNITS_S[name] * (amount or 0) for name, amount in amounts.items()))

    def _bounded(self, seconds: float) -> float | None:
        if math.isfinite(seconds) and 0 <= seconds <= MAX_DURATION_S:
            return seconds
        self.refuse(f"expected a duration from nothing to 7 days, found {describe(self.value)}")
        return None

    def _name(self) -> str:
        names = [part for part in self.loc if isinstance(part, str)]
        return names[-1] if names else "word"


def clock_time(value: object) -> time | None:
    """Return the time of day that a text names; None where it names none."""
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    hour, minute, second = (int(part) for part in match.groups(default="0"))
    return time(hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def read_key(keys: Mapping[str, Node], name: str, reader: Callable[[Node], _T | None], default: _T) -> _T:
    """Read a key that may be absent. A refused value becomes the default: the problem is noted already."""
    if name not in keys:
        return default
    value = reader(keys[name])
    return default if value is None else value


def read_each(
    node: Node | None, reader: Callable[[Node], _T | None], *, at_least_one: str | None = None
) -> tuple[_T, ...]:
    """Read a key that holds one thing or a list of them."""
    if node is None:
        return ()
    if node.value in (None, []):
        if at_least_one is not None:
            node.refuse(f"expected at least one {at_least_one}, found {describe(node.value)}")
        return ()
    return tuple(value for item in node.items() if (value := reader(item)) is not None)


def kind_of(
    node: Node, key: str, known: Sequence[str], planned: Sequence[str], *, old_key: str | None = None
) -> str | None:
    """Read which kind a mapping says it is with `key`; None where that is not known."""
    if not isinstance(node.value, dict):
        node.refuse(f"expected a mapping such as {{{key}: {known[0]}, …}}, found {describe(node.value)}")
    elif key in node.value:
        return node.child(key, node.value[key]).choice(known, planned=planned)
    elif old_key is not None and old_key in node.value:
        node.child(old_key, None).refuse(f"unknown key {old_key!r}; did you mean {key!r}?", key=True)
    else:
        node.refuse(f"{key!r} is missing: supported: {', '.join(known)}")
    return None


def _listed(words: Sequence[str], *, last: str = "and") -> str:
    if len(words) == 1:
        return words[0]
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
