"""What Home Assistant's own checks of integrations look for, as far as it can be looked for here."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.home_assistant.programs import REPOSITORY

COMPONENT = REPOSITORY / "integrations" / "home_assistant" / "custom_components" / "heard"
LANGUAGES = ("en", "de", "zh-Hans")
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def read(name: str) -> Any:
    return json.loads((COMPONENT / name).read_text(encoding="utf-8"))


def flat(words: dict[str, Any], at: str = "") -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        if isinstance(value, dict):
            yield from flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything_with_the_same_gaps(language: str) -> None:
    """No key is missing, none too many, and what is filled in is filled in everywhere."""
    strings, there = dict(flat(read("strings.json"))), dict(flat(read(f"translations/{language}.json")))
    assert there.keys() == strings.keys()
    assert {key: set(PLACEHOLDER.findall(text)) for key, text in there.items()} == {
        key: set(PLACEHOLDER.findall(text)) for key, text in strings.items()
    }


def test_the_manifest_has_what_a_custom_integration_needs() -> None:
    """And no address that leads nowhere: Home Assistant would offer it as a link."""
    manifest = read("manifest.json")
    assert manifest.keys() >= {"domain", "name", "codeowners", "version", "iot_class"}
    assert "example.org" not in json.dumps(manifest)
    assert list(manifest)[2:] == sorted(list(manifest)[2:])
    assert manifest["zeroconf"] == ["_heard._tcp.local."]
    assert manifest["requirements"] == []


def test_every_action_and_field_has_words_and_an_icon() -> None:
    actions = yaml.safe_load((COMPONENT / "services.yaml").read_text())
    words, icons = read("strings.json")["services"], read("icons.json")["services"]
    assert actions.keys() == words.keys() == icons.keys()
    for name, action in actions.items():
        assert action["fields"].keys() == words[name]["fields"].keys()


def test_every_kind_of_entity_has_a_name_and_an_icon() -> None:
    """What has a translation key somewhere has a name in strings.json."""
    names, icons = read("strings.json")["entity"], read("icons.json")["entity"]
    assert {name: set(kinds) for name, kinds in names.items()} == {
        name: set(kinds) for name, kinds in icons.items()
    }
    for platform, kinds in names.items():
        source = (COMPONENT / f"{platform}.py").read_text()
        assert all(f'"{kind}"' in source for kind in kinds), platform


def test_the_component_needs_nothing_of_heards_own() -> None:
    """It runs in Home Assistant's environment, where none of our packages is."""
    ours = {path.name for path in REPOSITORY.iterdir() if (path / "__init__.py").exists()}
    for path in COMPONENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not ours & {alias.name.partition(".")[0] for alias in node.names}, path
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                assert (node.module or "").partition(".")[0] not in ours, path


def test_the_quality_scale_is_answered_rule_by_rule() -> None:
    """Each is done, or says why not."""
    rules = yaml.safe_load((COMPONENT / "quality_scale.yaml").read_text())["rules"]
    assert {answer["status"] for answer in rules.values()} <= {"done", "exempt", "todo"}
    assert all(answer["comment"] for answer in rules.values())
    assert len(rules) == 54


def test_hacs_finds_one_integration_beside_its_file() -> None:
    root = Path(COMPONENT).parents[1]
    assert json.loads((root / "hacs.json").read_text())["name"] == "heard"
    assert [path.name for path in (root / "custom_components").iterdir() if path.is_dir()] == ["heard"]
