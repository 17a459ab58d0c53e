"""`!include`, `!secret` and `!env`: convenient, and confined to the configuration folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.errors import RuleError
from rules.loader import load_rules, read_rules
from rules.model import PublishMqtt, SoundTrigger

RULE = """\
- id: a
  triggers: [{trigger: sound, profile: siren, above: !env LOUD 0.5}]
  actions: [{action: mqtt.publish, data: {topic: !secret topic}}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration folder with one secret, and a folder of rules in it."""
    rules = tmp_path / "etc" / "rules.d"
    rules.mkdir(parents=True)
    (rules.parent / "secrets.yaml").write_text("topic: home/4711\nnumber: 4711\n")
    return rules


def why(path: Path) -> str:
    with pytest.raises(RuleError) as caught:
        load_rules(path)
    return str(caught.value)


def test_secrets_and_environment_stand_for_values(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A default stands in for a variable that is not set; the files read are told."""
    (folder / "a.yaml").write_text(RULE)
    found = read_rules(folder)
    (rule,) = found.rules
    assert isinstance(rule.triggers[0], SoundTrigger)
    assert rule.triggers[0].above == 0.5
    assert isinstance(rule.actions[0], PublishMqtt)
    assert rule.actions[0].topic.source == "home/4711"
    assert {folder / "a.yaml", folder.parent / "secrets.yaml"} <= set(found.files)
    monkeypatch.setenv("LOUD", "0.75")
    (rule,) = load_rules(folder)
    assert isinstance(rule.triggers[0], SoundTrigger)
    assert rule.triggers[0].above == 0.75


def test_a_file_may_stand_in_any_place(folder: Path) -> None:
    """Relative to the file it stands in; what is wrong in it is shown there."""
    parts = folder / "parts"
    parts.mkdir()
    (folder / "a.yaml").write_text("rules: !include parts/all.yaml\n")
    (parts / "all.yaml").write_text("- !include one.yaml\n")
    (parts / "one.yaml").write_text("id: a\ntrigger: {trigger: sound, profile: siren}\naction: {delay: 1}\n")
    assert [rule.id for rule in load_rules(folder)] == ["a"]
    (parts / "one.yaml").write_text("id: a\ntrigger: {trigger: sund}\naction: {delay: 1}\n")
    assert why(folder).startswith(f"{parts / 'one.yaml'}:2:20: unknown trigger 'sund'")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("!include ../../outside.yaml", "lies outside of the configuration folder"),
        ("!include /etc/passwd", "lies outside of the configuration folder"),
        ("!include link.yaml", "lies outside of the configuration folder"),
        ("!include a.yaml", "'a.yaml' includes itself"),
        ("!include none.yaml", "there is no such file"),
        ("!include ''", "expected the name of a file"),
        ("!secret topc", "secrets.yaml has no 'topc'; did you mean 'topic'?"),
        ("!secret number", "expected text for 'number' in secrets.yaml"),
        ("!env HEARD_NONE", "the environment has no variable 'HEARD_NONE'"),
        ("!env ''", "expected the name of a variable"),
        ("!python/object:os.system x", "tags other than !include, !secret and !env are not supported"),
        ("!secret {a: 1}", "tags are not supported"),
    ],
)
def test_what_cannot_be_had_is_refused_at_its_place(folder: Path, value: str, reason: str) -> None:
    """Nothing outside of the folder is read, not even through a link."""
    (folder.parents[1] / "outside.yaml").write_text("[]")
    (folder / "link.yaml").symlink_to(folder.parents[1] / "outside.yaml")
    (folder / "a.yaml").write_text(f"rules: {value}\n")
    assert reason in why(folder)


def test_a_secret_is_shown_in_no_message(folder: Path) -> None:
    """Neither short nor long, wherever it does not fit."""
    (folder.parent / "secrets.yaml").write_text(f"short: hunter2\nlong: {'hunter2' * 20}\n")
    for name in ("short", "long"):
        sound = "trigger: sound, profile: x"
        (folder / "a.yaml").write_text(
            f"- {{id: a, trigger: {{{sound}, above: !secret {name}}}, action: {{delay: !secret {name}}}}}\n"
            f"- {{id: b, trigger: {{{sound}, phase: !secret {name}}}, mode: !secret {name}}}\n"
        )
        assert "hunter2" not in why(folder)


def test_without_a_file_of_secrets_there_are_none(tmp_path: Path) -> None:
    """It is looked for beside the rules and one folder up, and no further."""
    rules = tmp_path / "a" / "b" / "rules.d"
    rules.mkdir(parents=True)
    (tmp_path / "secrets.yaml").write_text("x: y\n")
    (rules / "a.yaml").write_text("rules: !secret x\n")
    assert "there is no secrets.yaml in the configuration folder" in why(rules)
