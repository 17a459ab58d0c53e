"""The example rules do what the comments above them say."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from detectors.types import SoundEvent
from rules.loader import load_rules, read_rules
from tests.rules.driving import drive
from tests.rules.sounds import sound

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples" / "rules"


def heard(profile: str, at: float, stream: str = "hall", until: float | None = None) -> SoundEvent:
    return sound(at, profile=profile, stream=stream, ended_at=until)


def only(name: str, rule_id: str) -> str:
    """Return one rule of an example file, as it is written."""
    rules = (EXAMPLES / name).read_text().split("\n- id: ")[1:]
    (found,) = [rule for rule in rules if rule.startswith(f"{rule_id}\n")]
    return f"- id: {found}"


def test_all_examples_load_together_without_a_warning() -> None:
    """A folder of them is a folder of rules."""
    found = read_rules(EXAMPLES)
    assert found.warnings == ()
    assert len(found.rules) == len(load_rules(EXAMPLES)) == 15


@pytest.mark.parametrize(
    ("file", "rule", "steps", "expected"),
    [
        (
            "home.yaml",
            "washing_is_done",
            [
                heard("washing_machine", 0),
                heard("washing_machine", 0, until=700),
                2000.0,
            ],
            [(1000, "The washing on hall is done")],
        ),
        (
            "home.yaml",
            "secret_knock",
            [
                heard("door_knock", 0),
                heard("door_knock", 0.8),
                heard("door_knock", 1.6),
                heard("door_knock", 2.0),
            ],
            [(1.6, '{"state": "TOGGLE"}')],
        ),
        (
            "home.yaml",
            "baby_cry_thermostat",
            [heard("baby_crying", 0, "nursery"), heard("baby_crying", 0, "nursery", until=15), 5000.0],
            [(10, '{"target": 21}'), (1810, '{"target": 18.5}')],
        ),
        ("home.yaml", "captions", [heard("doorbell", 0)], [(0, "DOORBELL (hall)")]),
        ("home.yaml", "cough_diary", [1.0, 25_200.0], [(25_200, "morning")]),
        (
            "watch.yaml",
            "break_in",
            [heard("glass_breaking", 0), heard("footsteps", 9)],
            [(9, "heard.save_clip"), (9, '{"what": "break-in", "where": "hall"}')],
        ),
        (
            "watch.yaml",
            "smoke_alarm_escalates",
            [heard("alarm_beep", at) for at in (0.0, 3.0, 6.0, 9.0)] + [1000.0],
            [
                (6, '{"reminder": 1}'),
                (6, "heard.save_clip"),
                (66, '{"reminder": 2}'),
                (126, '{"reminder": 3}'),
            ],
        ),
        (
            "watch.yaml",
            "siren_ducks_music",
            [heard("siren", 0), heard("siren", 0, until=8), 100.0],
            [(0, "duck"), (13, "restore")],
        ),
        (
            "watch.yaml",
            "engine_in_garage",
            [heard("engine", 0, "garage"), heard("engine", 0, "garage", until=200), 1000.0],
            [(120, "engine for 2 minutes"), (180, "engine for 3 minutes")],
        ),
    ],
)
def test_an_example_does_what_it_says(
    tmp_path: Path, file: str, rule: str, steps: list[SoundEvent | float], expected: list[tuple[float, str]]
) -> None:
    """With a restart of the daemon between all of it."""
    assert drive(tmp_path, only(file, rule), *steps, zone=UTC, restart=True) == expected
