"""The example rules do what their own tests say."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.loader import read_rules
from rules.trial import run_trial
from tests.rules.hearing import deaf

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "rules"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def test_there_are_twenty_and_they_load_together_without_a_warning() -> None:
    """A folder of them is a folder of rules."""
    found = read_rules(EXAMPLES)
    assert len(FILES) >= 20
    assert found.warnings == ()
    assert len(found.trials) >= len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_passes_its_own_tests(path: Path) -> None:
    """Each has some."""
    found = read_rules(path)
    assert found.trials
    assert {trial.name: run_trial(trial, deaf) for trial in found.trials} == {
        trial.name: [] for trial in found.trials
    }
