"""The schema for editors, by a validator of its own, over what the loader reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from foundation.errors import RuleError
from foundation.yaml_document import read_yaml
from rules.model import Rule
from rules.schema import rules_schema
from tests.rules.strategies import RULES
from tests.rules.written import dumped

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES = sorted((DOCS / "examples" / "rules").glob("*.yaml"))
VALIDATOR = Draft202012Validator(rules_schema(("siren",), ("desk",)))


def faults(data: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(data)]


def test_the_schema_is_one() -> None:
    """By the draft that it names."""
    Draft202012Validator.check_schema(VALIDATOR.schema)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_fits(path: Path) -> None:
    """Each of the files that users start from."""
    assert faults(read_yaml(path, error=RuleError).data) == []


def test_every_rule_of_the_documentation_fits(tmp_path: Path) -> None:
    """What docs/rules.md shows as a whole rule."""
    blocks = (DOCS / "rules.md").read_text().split("```yaml\n")[1:]
    for block in (block.split("```")[0] for block in blocks if block.startswith("- id:")):
        path = tmp_path / "block.yaml"
        path.write_text(block)
        assert faults(read_yaml(path, error=RuleError).data) == []


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(rules=RULES)
def test_whatever_a_rule_holds_fits(rules: list[Rule]) -> None:
    """The schema knows every word that the loader knows."""
    assert faults([dumped(rule) for rule in rules]) == []


GOOD: dict[str, Any] = {
    "id": "a",
    "trigger": {"trigger": "sound", "profile": "siren"},
    "action": {"delay": 1},
}


@pytest.mark.parametrize(
    "change",
    [
        {"id": 7},
        {"mod": "single"},
        {"mode": "sngle"},
        {"trigger": {"trigger": "sund", "profile": "x"}},
        {"trigger": {"trigger": "sound", "profile": "x", "above": 80}},
        {"trigger": []},
        {"actions": {"delay": 1}},
        {"action": {"dealy": 1}},
        {"action": {"action": "mqtt.publish", "topic": "x"}},
        {"action": {"repeat": {"count": 0, "sequence": {"delay": 1}}}},
        {"condition": {"condition": "time", "after": "noon"}},
        {"cooldown": {"minute": 5}},
        {"action": {"action": "mqtt.publsh", "data": {"topic": "x"}}},
        {"action": {"action": "light.turn_on", "entity_id": "light.desk"}},
        {"action": {"action": "command.run", "data": {"command": "rm -r /"}}},
        {"action": {"action": "heard.emit", "data": {}}},
        {"trigger": {"trigger": "state", "entity_id": "Light Desk"}},
        {"condition": {"condition": "state", "entity_id": "light.desk", "state": False}},
        {"condition": {"condition": "mqtt", "topic": "a", "is": ["x"], "for": 3}},
    ],
)
def test_what_the_loader_refuses_is_marked_in_the_editor(change: dict[str, Any]) -> None:
    """A word that is not known, a value of another kind, a number out of bounds."""
    assert faults([GOOD]) == []
    assert faults([GOOD | change])
