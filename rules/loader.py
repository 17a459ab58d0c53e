"""Rule files and folders of them, read whole: all rules, or all that is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from foundation.errors import Problem, RuleError
from foundation.wording import describe
from foundation.yaml_document import in_order
from rules.grammar import read_rule
from rules.including import SECRETS, Package
from rules.reading import Node
from rules.scope import Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from rules.model import Rule

FILE_KEYS = ("rules",)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """What a file or a folder says."""

    rules: tuple[Rule, ...]
    warnings: tuple[Problem, ...] = ()
    """What is valid, and never does anything."""
    files: tuple[Path, ...] = ()
    """Every file that was read or looked for, so that a change of any can be seen."""


def load_rules(
    path: Path,
    known_profiles: Collection[str] | None = None,
    known_streams: Collection[str] | None = None,
) -> tuple[Rule, ...]:
    """Return the rules that `read_rules` finds."""
    return read_rules(path, known_profiles, known_streams).rules


def read_rules(
    path: Path,
    known_profiles: Collection[str] | None = None,
    known_streams: Collection[str] | None = None,
) -> RuleSet:
    """Read a file, or every *.yaml and *.yml file of a folder, in order of file name.

    Names of profiles and streams are checked against those known, unless None; a mapping from profiles to
    their tags lets rules name tags as well. Includes and secrets come from the folder that `path` is in.
    Raises RuleError with every problem of every file: rules are used all together or not at all.
    """
    reading = _Reading(package=Package((path.parent, path)))
    scope = Scope(profiles=known_profiles, streams=known_streams)
    rules: list[Rule] = []
    for file in _files(path):
        try:
            nodes = list(reading.rule_nodes(file))
        except RuleError as error:
            reading.problems.extend(error.problems)
            continue
        for node in nodes:
            reading.check_id(node)
            rule = read_rule(node, scope)
            if rule is not None:
                rules.append(rule)
    if reading.problems:
        raise RuleError(in_order(reading.problems))
    return RuleSet(
        rules=tuple(rules),
        warnings=tuple(in_order(reading.warnings)),
        files=tuple(sorted({path, *reading.package.files})),
    )


def _files(path: Path) -> list[Path]:
    """Return what to read. A path that is not there is left to the reader to report."""
    try:
        if not path.is_dir():
            return [path]
        entries = sorted(path.iterdir())
    except (OSError, ValueError) as failure:
        message = f"cannot be read: {failure}"
        raise RuleError([Problem(file=path, line=0, column=0, message=message)]) from None
    return [
        entry
        for entry in entries
        if entry.suffix in {".yaml", ".yml"} and entry.name[0] != "." and entry.name != SECRETS
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """All files of one reading, and what was found wrong with them so far."""

    package: Package
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    first_use: dict[str, str] = field(default_factory=dict)

    def rule_nodes(self, file: Path) -> Iterator[Node]:
        """Give the rules of a file, one by one."""
        document = self.package.read(file)
        top = Node(
            document=document,
            loc=(),
            value=None,
            problems=self.problems,
            warnings=self.warnings,
        ).child("", document)
        if isinstance(top.value, dict):
            if "id" in top.value or "triggers" in top.value:
                top.refuse("expected a list of rules, found one: begin it with '- id:'")
                return
            keys = top.entries(FILE_KEYS) or {}
            if "rules" not in keys:
                top.refuse("expected a list of rules, or a mapping with 'rules'")
                return
            top = keys["rules"]
        if top.value is None:
            return
        if not isinstance(top.value, list):
            top.refuse(f"expected a list of rules, found {describe(top.value)}")
            return
        yield from top.items()

    def check_id(self, node: Node) -> None:
        """Refuse the id of a rule that another has already."""
        if not isinstance(node.value, dict) or "id" not in node.value:
            return
        place = node.child("id", node.value["id"])
        if not isinstance(place.value, str):
            return
        if place.value in self.first_use:
            place.refuse(f"the rule id {place.value!r} stands twice, first in {self.first_use[place.value]}")
        else:
            line, _ = place.document.position(place.loc)
            self.first_use[place.value] = f"{place.document.path}:{line}"
