"""The tests that rule files carry: how they are read, and what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from foundation.errors import RuleError
from rules.loader import read_rules
from rules.trial import run_trial
from tests.rules.hearing import deaf

if TYPE_CHECKING:
    from pathlib import Path

RULES = """\
rules:
  - id: a
    triggers: [{trigger: sound, profile: siren}]
    actions:
      - {action: mqtt.publish, data: {topic: t, payload: {score: "{{ trigger.score }}"}}}
      - delay: 5
      - {action: light.on, target: {area_id: hall}, data: {x: 1}}
"""


def faults(folder: Path, tests: str) -> list[str]:
    """Return what the one test of a file finds."""
    path = folder / "rules.yaml"
    path.write_text(f"{RULES}tests:\n{tests}")
    (trial,) = read_rules(path).trials
    return run_trial(trial, deaf)


MESSAGE = 'mqtt.publish of rule a after 0 s (topic "t", payload "{\\"score\\": 0.7}", qos 1, retain false)'
GIVEN = "  - test: t\n    given: [{sound: siren, score: 0.7}]\n"


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("[{action: mqtt.publish}, {action: light.on}]", []),
        (
            "[{action: mqtt.publish, data: {payload: {score: 0.7}}}, {action: light.on, after: 5, rule: a}]",
            [],
        ),
        ("[{action: mqtt.publish}, {action: light.on, data: {x: 1, target: {area_id: hall}}}]", []),
        (
            "[{action: mqtt.publish}]",
            ['not expected: light.on of rule a after 5 s (target {"area_id": "hall"}, data {"x": 1})'],
        ),
        (
            "[{action: mqtt.publish}, {action: light.on}, {action: light.off}]",
            ["light.off was expected, and did not follow"],
        ),
        (
            "[{action: mqtt.publish, data: {payload: {score: 0.8}}}, {action: light.on, after: 6}]",
            [
                'request 1: payload was "{\\"score\\": 0.7}", expected {"score": 0.8}',
                "request 2: light.on was expected after 6 s, and came after 5 s",
            ],
        ),
        (
            "[{action: light.on}, {action: light.on, data: {y: 1}}]",
            [
                f"request 1: light.on was expected, and it was {MESSAGE}",
                "request 2: light.on has no 'y'",
            ],
        ),
    ],
)
def test_what_differs_is_told(tmp_path: Path, expect: str, found: list[str]) -> None:
    """Every request in order, none left out, and of the data what the test names."""
    assert faults(tmp_path, f"{GIVEN}    expect: {expect}\n") == found


def test_a_template_that_fails_fails_the_test(tmp_path: Path) -> None:
    """It counts as a request of its own."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "rules:\n  - {id: a, trigger: {trigger: sound, profile: siren},"
        " action: {action: mqtt.publish, data: {topic: t, payload: '{{ 1 / 0 }}'}}}\n"
        "tests:\n  - {test: t, given: {sound: siren}, expect: [{action: mqtt.publish}]}\n"
    )
    (fault,) = run_trial(read_rules(path).trials[0], deaf)
    assert "it was heard.log" in fault
    assert "division by zero" in fault


@pytest.mark.parametrize(
    ("test", "place", "why"),
    [
        ("{test: t}", (9, 5), "'expect' is missing"),
        ("{expect: []}", (9, 5), "'test' is missing"),
        ("{test: t, expect: [], gven: []}", (9, 27), "unknown key 'gven'; did you mean 'given'?"),
        ("{test: t, expect: [], zone: Europe/Berlim}", (9, 33), "there is no time zone 'Europe/Berlim'"),
        ("{test: t, expect: [], at: noon}", (9, 31), "expected a date and a time"),
        ("{test: t, expect: [], given: [{sund: x}]}", (9, 35), "expected one of sound, topic, entity_id"),
        ("{test: t, expect: [], given: [{topic: x}]}", (9, 35), "'payload' is missing"),
        ("{test: t, expect: [], given: [{audio: none.wav}]}", (9, 43), "there is no file"),
        ("{test: t, expect: [{rule: b, action: x}]}", (9, 31), "no rule of this file has the id 'b'"),
        ("{test: t, expect: [{after: 3}]}", (9, 24), "'action' is missing"),
    ],
)
def test_a_test_that_cannot_be_read_is_refused_at_its_place(
    tmp_path: Path, test: str, place: tuple[int, int], why: str
) -> None:
    """With the rules: a file is used whole or not at all."""
    path = tmp_path / "rules.yaml"
    path.write_text(f"{RULES}tests:\n  - {test}\n")
    with pytest.raises(RuleError) as caught:
        read_rules(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == place
    assert why in problem.message
