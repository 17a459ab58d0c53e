"""`heard rules`: checked, tried on what was heard, and explained."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from daemon.commands.rules import group
from daemon.history_file import open_history, write_events
from tests.rules.sounds import sound

if TYPE_CHECKING:
    from pathlib import Path

RULES = """\
- id: loud
  triggers: [{trigger: sound, profile: siren, above: 0.6}]
  actions: [{action: heard.save_clip}]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A home that has heard a loud and a faint siren today, and one long ago."""
    path = tmp_path / "heard.yaml"
    path.write_text(f"state_dir: {tmp_path}\nrules: rules.yaml\n")
    (tmp_path / "rules.yaml").write_text(RULES)
    now = time.time()
    heard = [(now - 60, 0.9), (now - 30, 0.5), (now - 9 * 86_400, 0.9)]
    ends = [sound(at, profile="siren", ended_at=at + 2, score=score) for at, score in heard]
    with closing(open_history(tmp_path / "history.sqlite")) as database:
        write_events(database, [replace(event, stream="microphone") for event in ends])
    return path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, list(arguments))
    return result.exit_code, result.output


def test_a_dry_run_counts_what_would_have_fired(config: Path) -> None:
    """Over the last week, or as far back as wanted."""
    code, output = run("test", "--config", str(config))
    assert code == 0
    assert "loud: would have fired 1 times" in output
    assert "siren on microphone, score 0.90" in output
    assert "would have fired 2 times" in run("test", "--config", str(config), "--history", "10d")[1]
    assert run("test", "--config", str(config), "--history", "soon")[0] == 2


def test_a_rule_explains_itself(config: Path) -> None:
    """What fired, and what stopped it where it did not."""
    code, output = run("explain", "loud", "--config", str(config), "--json")
    assert code == 0
    assert [each["stopped_by"] for each in json.loads(output)] == [None, "score: 0.500, wanted above 0.6"]
    assert "Nothing was heard" in run("explain", "quiet", "--config", str(config))[1]


def test_the_check_tells_warnings_from_faults(config: Path) -> None:
    """By its exit code: 0, 1 and 2."""
    rules = config.parent / "rules.yaml"
    assert run("check", "--config", str(config))[0] == 0
    rules.write_text(RULES.replace("0.6", "1"))
    code, output = run("check", "--config", str(config), "--json")
    assert code == 1
    assert json.loads(output)["warnings"][0]["line"] == 2
    rules.write_text(RULES.replace("above", "abov"))
    assert run("check", "--config", str(config), "--json")[0] == 2
