"""Where a rule stands, and how its owner wrote it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from foundation.errors import RuleError
from foundation.yaml_document import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from foundation.yaml_document import Loc
    from rules.loader import RuleSet

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSource:
    """A rule in its file."""

    file: Path
    line: int
    """Of its first line, from 1."""
    text: str
    """With what `!secret` stands for left out: as written."""


def sources_of(found: RuleSet, rule_ids: Iterable[str]) -> dict[str, RuleSource]:
    """Return how rules are written, by id; those whose file has changed since are left out.

    Raises RuleError where a file can no longer be read.
    """
    by_file: dict[Path, list[str]] = {}
    for rule_id in rule_ids:
        if rule_id in found.places:
            by_file.setdefault(found.places[rule_id][0], []).append(rule_id)
    return {
        rule_id: source for file, ids in by_file.items() for rule_id, source in _in_file(file, ids, found)
    }


def _in_file(file: Path, rule_ids: Iterable[str], found: RuleSet) -> Iterator[tuple[str, RuleSource]]:
    document = read_yaml(file, error=RuleError, resolve=lambda _tag, text: text)
    lines = _BREAK.split(document.text)
    for rule_id in rule_ids:
        loc = found.places[rule_id][1]
        if _at(document.data, loc) == rule_id:
            line, column = document.position(loc[:-1])
            yield rule_id, RuleSource(file=file, line=line, text=_item(lines, line, column))


def _at(data: Any, loc: Loc) -> Any:
    for part in loc:
        try:
            data = data[part]
        except (LookupError, TypeError):
            return None
    return data


def _item(lines: Sequence[str], line: int, column: int) -> str:
    """Return the lines of the list's item whose content begins at a place."""
    kept = [lines[line - 1]]
    for at in range(line, len(lines)):
        each = lines[at]
        if each.strip() and len(each) - len(each.lstrip(" ")) < column - 1:
            break
        kept.append(each)
    while not kept[-1].strip() or kept[-1].lstrip().startswith("#"):
        kept.pop()
    return "\n".join(kept) + "\n"
