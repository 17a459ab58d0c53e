"""`heard rules`: checked, tried on what was heard, and explained."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from daemon.commands.rules import group
from daemon.deciding.journal import FILE_NAME, MAX_VERDICTS_PER_RULE, RulesJournal
from daemon.history_file import open_history, write_events
from daemon.zone import local_zone
from rules.verdict import Stopped, Verdict
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
    code, output = run("test", "--config", str(config), "--history", "7d")
    assert code == 0
    assert "loud: would have fired 1 time\n" in output
    assert "siren on microphone, score 0.90" in output
    assert "would have fired 2 times" in run("test", "--config", str(config), "--history", "10d")[1]
    assert run("test", "--config", str(config), "--history", "soon")[0] == 2


def test_a_rule_explains_itself(config: Path) -> None:
    """What fired, and what stopped it where it did not."""
    code, output = run("explain", "loud", "--config", str(config), "--json")
    assert code == 0
    assert [each["stopped_by"] for each in json.loads(output)] == [None, "score: 0.500, wanted above 0.6"]
    assert run("explain", "quiet", "--config", str(config))[0] == 2


def test_a_moment_is_explained_by_the_trigger_that_came_nearest(config: Path) -> None:
    """Or, where nothing concerned the rule, by what was heard at all."""
    now = datetime.now(local_zone())
    code, output = run("explain", "loud", "--config", str(config), "--at", now.isoformat(timespec="seconds"))
    assert code == 0
    assert "Trigger 1 made it fire." in output
    rules = config.parent / "rules.yaml"
    rules.write_text(RULES.replace("0.6", "0.95"))
    _, output = run("explain", "loud", "--config", str(config), "--at", now.isoformat(timespec="seconds"))
    assert "Trigger 1 came nearest; stopped by score: 0." in output
    rules.write_text(RULES.replace("siren", "glass_breaking"))
    _, output = run("explain", "loud", "--config", str(config), "--at", now.isoformat(timespec="seconds"))
    assert "heard: siren on microphone" in output
    assert run("explain", "loud", "--config", str(config), "--at", "noon")[0] == 2


def test_near_misses_of_the_daemon_are_told(config: Path) -> None:
    """As it noted them, whatever the rules say now; bounded for each rule."""
    journal = RulesJournal(config.parent / FILE_NAME)
    heard = sound(time.time() - 20, profile="siren", score=0.55)
    for _ in range(MAX_VERDICTS_PER_RULE + 5):
        journal.verdict(
            Verdict(
                rule_id="loud",
                trigger=2,
                at=heard.onset_at,
                event=heard,
                stopped=Stopped("cooldown", "fired 3.0 s before, wanted 60 s"),
            )
        )
    journal.flush()
    code, output = run("explain", "loud", "--config", str(config), "--json")
    told = json.loads(output)
    assert code == 0
    assert len(told) == MAX_VERDICTS_PER_RULE
    assert told[0]["trigger"] == 2
    assert told[0]["stopped_by"] == "cooldown: fired 3.0 s before, wanted 60 s"


TESTED = """\
rules:
  - id: loud
    triggers: [{trigger: sound, profile: siren, above: 0.6}]
    actions: [{action: heard.save_clip}]
tests:
  - test: a loud siren is kept
    given: [{sound: siren}]
    expect: [{action: heard.save_clip, after: 0}]
"""


def test_a_file_carries_its_own_tests(config: Path) -> None:
    """By name, with what did not follow as it should; exit code 1 where one fails."""
    rules = config.parent / "rules.yaml"
    assert "No file has tests" in run("test", "--config", str(config))[1]
    rules.write_text(TESTED)
    code, output = run("test", "--config", str(config))
    assert (code, output) == (0, "passed  a loud siren is kept\n1 tests, 0 failed.\n")
    rules.write_text(TESTED.replace("sound: siren}", "sound: siren, score: 0.5}"))
    code, output = run("test", "--config", str(config))
    assert code == 1
    assert f"{rules}:6: heard.save_clip was expected, and did not follow" in output
    assert not json.loads(run("test", "--config", str(config), "--json")[1])[0]["passed"]


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


def test_a_folder_without_rules_is_told_from_one_whose_rules_are_right(config: Path) -> None:
    """Rules one folder down are not read, and nobody takes that for a clean bill."""
    nested = config.parent / "examples" / "rules"
    nested.mkdir(parents=True)
    (nested / "loud.yaml").write_text(RULES)
    arguments = ["check", "--config", str(config)]
    above = CliRunner().invoke(group, [*arguments, str(nested.parent)])
    itself = CliRunner().invoke(group, [*arguments, str(nested)])
    assert "There are no rules here" in above.output
    assert "1 rule, and nothing wrong with them." in itself.output
