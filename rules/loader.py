"""Rule files and folders of them, read whole: all rules, or all that is wrong with them."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from foundation.errors import Problem, RuleError
from foundation.wording import describe
from foundation.yaml_document import Loc, in_order
from rules.grammar import read_rule
from rules.including import SECRETS, Package
from rules.model import Rule
from rules.reading import Node
from rules.scope import Scope
from rules.trial import Trial
from rules.trial_grammar import read_trial

FILE_KEYS = ("rules", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """What a file or a folder says."""

    rules: tuple[Rule, ...]
    trials: tuple[Trial, ...] = ()
    """The tests that stand in the files."""
    warnings: tuple[Problem, ...] = ()
    """What is valid, and never does anything."""
    files: tuple[Path, ...] = ()
    """Every file that was read or looked for, so that a change of any can be seen."""
    places: Mapping[str, tuple[Path, Loc]] = field(default_factory=dict)
    """Where the id of each rule stands, by id."""


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
    *,
    environment: Mapping[str, str] = os.environ,
) -> RuleSet:
    """Read a file, or every *.yaml and *.yml file of a folder, in order of file name.

    Names of profiles and streams are checked against those known, unless None; a mapping from profiles to
    their tags lets rules name tags as well. Includes and secrets come from the folder that `path` is in, and
    `!env` from `environment`.
    Raises RuleError with every problem of every file: rules are used all together or not at all.
    """
    with _no_collecting():
        return _read(path, known_profiles, known_streams, environment)


def _read(
    path: Path,
    known_profiles: Collection[str] | None,
    known_streams: Collection[str] | None,
    environment: Mapping[str, str],
) -> RuleSet:
    reading = _Reading(package=Package((path.parent, path), environment))
    scope = Scope(profiles=known_profiles, streams=known_streams)
    rules: list[Rule] = []
    trials: list[Trial] = []
    for file in _files(path):
        keys = reading.keys(file)
        of_file = tuple(reading.rules(keys.get("rules"), scope))
        rules += of_file
        # A test of rules that cannot be read would only be wrong once more.
        if not reading.problems and "tests" in keys:
            trials += reading.trials(keys["tests"], of_file)
    scope.warn_of_unknown()
    if reading.problems:
        raise RuleError(in_order(reading.problems), tuple(in_order(reading.warnings)))
    return RuleSet(
        rules=tuple(rules),
        trials=tuple(trials),
        warnings=tuple(in_order(reading.warnings)),
        files=tuple(sorted({path, *reading.package.files})),
        places=reading.first_use,
    )


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Look for no garbage meanwhile: thousands of rules make a million objects, and none of them is any."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


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
    first_use: dict[str, tuple[Path, Loc]] = field(default_factory=dict)
    """By id. Not the node itself, which would keep its whole file in memory."""

    def keys(self, file: Path) -> dict[str, Node]:
        """Return what a file holds, by key; a list is one of rules."""
        try:
            document = self.package.read(file)
        except RuleError as error:
            self.problems.extend(error.problems)
            return {}
        empty = Node(document=document, loc=(), value=None, problems=self.problems, warnings=self.warnings)
        top = empty.child("", document)
        if not isinstance(top.value, dict):
            return {"rules": top}
        if "id" in top.value or "triggers" in top.value:
            top.refuse("expected a list of rules, found one: begin it with '- id:'")
            return {}
        keys = top.entries(FILE_KEYS) or {}
        if "rules" not in keys:
            top.refuse("expected a list of rules, or a mapping with 'rules'")
        return keys

    def rules(self, node: Node | None, scope: Scope) -> Iterator[Rule]:
        """Give the rules of a file."""
        text = "" if node is None else node.document.text
        scope = replace(scope, variables_possible="variables" in text or "!include" in text)
        for item in self._list(node, "rules"):
            self.check_id(item)
            rule = read_rule(item, scope)
            if rule is not None:
                yield rule

    def trials(self, node: Node | None, rules: tuple[Rule, ...]) -> Iterator[Trial]:
        """Give the tests of a file."""
        for item in self._list(node, "tests"):
            trial = read_trial(item, rules)
            if trial is not None:
                yield trial

    def _list(self, node: Node | None, what: str) -> Iterator[Node]:
        if node is None or node.value is None:
            return
        if isinstance(node.value, list):
            yield from node.items()
        else:
            node.refuse(f"expected a list of {what}, found {describe(node.value)}")

    def check_id(self, node: Node) -> None:
        """Refuse the id of a rule that another has already."""
        if not isinstance(node.value, dict) or "id" not in node.value:
            return
        place = node.child("id", node.value["id"])
        if not isinstance(place.value, str):
            return
        if place.value in self.first_use:
            file, loc = self.first_use[place.value]
            line, _ = self.package.read(file).position(loc)
            place.refuse(f"the rule id {place.value!r} stands twice, first in {file}:{line}")
        else:
            self.first_use[place.value] = place.document.path, place.loc
