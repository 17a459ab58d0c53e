"""Rules that are valid and can never do anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from rules.loader import read_rules


@pytest.mark.parametrize(
    ("triggers", "warning"),
    [
        ("{trigger: sound, profile: x, above: 1}", "never: no score is greater than 1"),
        ("{trigger: sound, profile: x, below: 0}", "never: no score is less than 0"),
        ("{trigger: sound, profile: x, above: 0.5, below: 0.5}", "never: no score is both"),
        (
            "{trigger: sound, profile: x, count: 3, within: 0.1}",
            "never: sounds are told apart in steps of 80 ms",
        ),
        ("{trigger: sequence, sounds: [x, y], within: 0}", "never: sounds are told apart"),
        ("{trigger: sequence, sounds: [x, y], within: 9, without: [y, z]}", "never: a later sound"),
        (
            "[{trigger: sound, profile: [x, y]}, {trigger: sound, profile: x, above: 0.5}]",
            "never by itself: trigger 1 fires for everything",
        ),
        ("[{trigger: time, at: '12:00'}, {trigger: time, at: '12:00'}]", "never by itself: trigger 1"),
    ],
)
def test_what_can_never_happen_is_said(tmp_path: Path, triggers: str, warning: str) -> None:
    """Once, at its place; the rule is loaded all the same."""
    path = tmp_path / "rules.yaml"
    path.write_text(f"- id: a\n  triggers: {triggers}\n  actions: [{{delay: 1}}]\n")
    found = read_rules(path)
    assert len(found.rules) == 1
    (problem,) = found.warnings
    assert problem.line == 2
    assert problem.message.startswith(warning)


def test_triggers_that_differ_in_what_they_tell_are_both_wanted(tmp_path: Path) -> None:
    """An id of its own, another stream or phase: nothing is shadowed."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- id: a\n  triggers:\n"
        "    - {trigger: sound, profile: x}\n"
        "    - {trigger: sound, profile: x, id: again}\n"
        "    - {trigger: sound, profile: x, phase: ended}\n"
        "    - {trigger: sound, profile: y, stream: desk}\n"
        "    - {trigger: sound, profile: y, stream: hall}\n"
        "  actions: [{delay: 1}]\n"
    )
    assert read_rules(path).warnings == ()
