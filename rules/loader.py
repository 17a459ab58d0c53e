"""Rule files and folders of them, read whole: all rules, or all that is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.errors import Problem, RuleError
from foundation.wording import describe
from foundation.yaml_document import in_order, read_yaml
from rules.grammar import Names, read_rule
from rules.reading import Node

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from rules.model import Rule


def load_rules(
    path: Path,
    known_profiles: Collection[str] | None = None,
    known_streams: Collection[str] | None = None,
) -> tuple[Rule, ...]:
    """Return the rules of a file, or of every *.yaml and *.yml file of a folder, in order of file name.

    Names of profiles and streams are checked against those known, unless None. Raises RuleError with every
    problem of every file: rules are used all together or not at all.
    """
    names = Names(profiles=known_profiles, streams=known_streams)
    rules: list[Rule] = []
    problems: list[Problem] = []
    first_use: dict[str, str] = {}
    for file in _files(path):
        try:
            nodes = list(_rule_nodes(file, problems))
        except RuleError as error:
            problems.extend(error.problems)
            continue
        for node in nodes:
            _check_id(node, first_use)
            rule = read_rule(node, names)
            if rule is not None:
                rules.append(rule)
    if problems:
        raise RuleError(in_order(problems))
    return tuple(rules)


def _files(path: Path) -> list[Path]:
    """Return what to read. A path that is not there is left to the reader to report."""
    try:
        if not path.is_dir():
            return [path]
        entries = sorted(path.iterdir())
    except (OSError, ValueError) as failure:
        message = f"cannot be read: {failure}"
        raise RuleError([Problem(file=path, line=0, column=0, message=message)]) from None
    return [entry for entry in entries if entry.suffix in {".yaml", ".yml"} and entry.name[0] != "."]


def _rule_nodes(file: Path, problems: list[Problem]) -> Iterator[Node]:
    document = read_yaml(file, error=RuleError)
    top = Node(document=document, loc=(), value=document.data, problems=problems)
    if isinstance(document.data, dict):
        if "id" in document.data or "triggers" in document.data:
            top.refuse("expected a list of rules, found one: begin it with '- id:'")
            return
        keys = top.entries(("rules",)) or {}
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


def _check_id(node: Node, first_use: dict[str, str]) -> None:
    rule_id = node.value.get("id") if isinstance(node.value, dict) else None
    if not isinstance(rule_id, str):
        return
    place = node.child("id", rule_id)
    if rule_id in first_use:
        place.refuse(f"the rule id {rule_id!r} stands twice, first in {first_use[rule_id]}")
    else:
        line, _ = node.document.position(place.loc)
        first_use[rule_id] = f"{node.document.path}:{line}"
