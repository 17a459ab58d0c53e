"""Clock changes, midnight, leap days, and a restart in the middle of whatever waits."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from rules.engine import Engine
from rules.loader import load_rules
from rules.state import deafened
from rules.state_json import dump_state, load_state
from tests.rules.driving import drive
from tests.rules.sounds import clip_url, sound

if TYPE_CHECKING:
    from pathlib import Path

    from rules.facts import Fact
    from rules.model import ActionRequest

BERLIN = ZoneInfo("Europe/Berlin")
SAY = '  actions: {action: mqtt.publish, data: {topic: t, payload: "{{ now().isoformat() }}"}}\n'


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


@pytest.mark.parametrize(
    ("condition", "moment", "fold", "holds"),
    [
        ("after: '22:00', before: '06:00'", "2026-01-10 21:59:59", 0, False),
        ("after: '22:00', before: '06:00'", "2026-01-10 22:00:00", 0, True),
        ("after: '22:00', before: '06:00'", "2026-01-11 00:00:00", 0, True),
        ("after: '22:00', before: '06:00'", "2026-01-11 05:59:59", 0, True),
        ("after: '22:00', before: '06:00'", "2026-01-11 06:00:00", 0, False),
        ("after: '22:00', before: '06:00', weekday: sat", "2026-01-10 23:00:00", 0, True),
        ("after: '22:00', before: '06:00', weekday: sat", "2026-01-11 01:00:00", 0, False),
        # In spring there is no half past two; in autumn there are two of them.
        ("after: '02:00', before: '03:00'", "2026-03-29 03:00:00", 0, False),
        ("after: '02:00', before: '03:00'", "2026-03-29 01:59:59", 0, False),
        ("after: '02:00', before: '03:00'", "2026-10-25 02:30:00", 0, True),
        ("after: '02:00', before: '03:00'", "2026-10-25 02:30:00", 1, True),
        ("after: '02:00', before: '03:00'", "2026-10-25 03:00:00", 0, False),
        ("weekday: thu", "2024-02-29 12:00:00", 0, True),
        ("weekday: fri", "2024-03-01 00:00:00", 0, True),
        ("before: '00:00:01'", "2024-02-29 00:00:00", 0, True),
    ],
)
def test_the_condition_time_reads_the_clock_on_the_wall(
    tmp_path: Path, condition: str, moment: str, fold: int, *, holds: bool
) -> None:
    """Over midnight, through both changes of the clock, and on a leap day."""
    text = (
        "- id: r\n  triggers: {trigger: sound, profile: finger_snap}\n"
        f"  conditions: [{{condition: time, {condition}}}]\n{SAY}"
    )
    assert bool(drive(tmp_path, text, sound(at(moment, fold)), zone=BERLIN)) is holds


@pytest.mark.parametrize(
    ("trigger", "begin", "end", "shown"),
    [
        (
            "at: '00:00'",
            "2026-01-10 23:00",
            "2026-01-12 01:00",
            ["2026-01-11T00:00:00+01:00", "2026-01-12T00:00:00+01:00"],
        ),
        (
            "at: '02:30'",
            "2026-03-28 12:00",
            "2026-03-30 12:00",
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"],
        ),
        (
            "at: '02:30'",
            "2026-10-24 12:00",
            "2026-10-26 12:00",
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"],
        ),
        (
            "at: '12:00', weekday: thu",
            "2024-02-23 00:00",
            "2024-03-08 00:00",
            ["2024-02-29T12:00:00+01:00", "2024-03-07T12:00:00+01:00"],
        ),
    ],
)
def test_times_of_day_strike_once_a_day(
    tmp_path: Path, trigger: str, begin: str, end: str, shown: list[str]
) -> None:
    """At midnight, on days with a missing and a double hour, and on a leap day."""
    text = f"- id: r\n  triggers: {{trigger: time, {trigger}}}\n{SAY}"
    told = drive(tmp_path, text, at(begin), at(end), zone=BERLIN, restart=True)
    assert [payload for _, payload in told] == shown


@pytest.mark.parametrize("zone", [BERLIN, ZoneInfo("Australia/Lord_Howe")])
def test_what_waits_waits_through_a_clock_change(tmp_path: Path, zone: ZoneInfo) -> None:
    """A delay of an hour is an hour, also where the clock on the wall shows two or none."""
    text = (
        "- id: r\n  triggers: {trigger: sound, profile: finger_snap}\n  actions:\n    - delay: {hours: 1}\n"
        "    - {action: mqtt.publish, data: {topic: t, payload: x}}\n"
    )
    for change in ("2026-03-29 01:30", "2026-10-25 02:30", "2026-04-05 01:40", "2026-10-04 01:40"):
        begin = at(change)
        assert drive(tmp_path, text, sound(begin), begin + 7200.0, zone=zone) == [(begin + 3600, "x")]


NIGHT = at("2026-10-24 23:59:58")
RESTARTED = [
    ("{trigger: sound, profile: finger_snap, for: 10}", [sound(NIGHT), NIGHT + 60], [10]),
    (
        "{trigger: sequence, sounds: [finger_snap, siren], within: 30}",
        [sound(NIGHT), sound(NIGHT + 20, profile="siren")],
        [20],
    ),
    (
        "{trigger: silence, profile: finger_snap, for: 10}",
        [sound(NIGHT), sound(NIGHT, ended_at=NIGHT + 5), NIGHT + 60],
        [15],
    ),
    ("{trigger: sound, profile: finger_snap, count: 2, within: 9}", [sound(NIGHT), sound(NIGHT + 8)], [8]),
]


@pytest.mark.parametrize(("trigger", "facts", "expected"), RESTARTED, ids=range(len(RESTARTED)))
@pytest.mark.parametrize("more", ["", "cooldown: 60", "keep_firing_for: 60"])
def test_a_restart_in_the_middle_changes_nothing(
    tmp_path: Path, trigger: str, facts: list[Fact | float], expected: list[float], more: str
) -> None:
    """Of `for`, of a sequence, of silence, of counting; over midnight; and again once a cooldown is over."""
    text = (
        f"- id: r\n  {more}\n  triggers: {trigger}\n  actions:\n    - delay: 1.5\n"
        "    - {action: mqtt.publish, data: {topic: t, payload: x}}\n"
    )
    steps = [*facts, NIGHT + 100]
    plain = drive(tmp_path, text, *steps, zone=BERLIN)
    assert [round(told - NIGHT, 6) for told, _ in plain] == [begin + 1.5 for begin in expected]
    assert drive(tmp_path, text, *steps, zone=BERLIN, restart=True) == plain


def test_a_cooldown_goes_on_over_a_restart(tmp_path: Path) -> None:
    """And ends when it would have."""
    text = (
        "- id: r\n  cooldown: 60\n  triggers: {trigger: sound, profile: finger_snap}\n"
        "  actions: {action: mqtt.publish, data: {topic: t, payload: x}}\n"
    )
    snaps = [sound(NIGHT + after) for after in (0, 30, 59, 61, 100)]
    told = drive(tmp_path, text, *snaps, zone=BERLIN, restart=True)
    assert [moment - NIGHT for moment, _ in told] == [0, 61]


@pytest.mark.parametrize("end_at", [None, 8.0])
@pytest.mark.parametrize(
    ("again_at", "fires_at"), [(None, []), (12.0, [30.0]), (35.0, [35.0]), (50.0, [80.0])]
)
def test_for_goes_on_over_a_restart_of_the_daemon(
    tmp_path: Path, end_at: float | None, again_at: float | None, fires_at: list[float]
) -> None:
    """What is heard again soon has gone on, whether the daemon was killed or ended all sounds itself."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- {id: r, trigger: {trigger: sound, profile: siren, for: 30}, action: {action: light.on}}"
    )
    engine = Engine(load_rules(path), clip_url, BERLIN)
    begun = sound(0, profile="siren")
    state, _ = engine.step(engine.initial_state(), begun, 0.0)
    if end_at is not None:
        state, _ = engine.step(state, sound(0, profile="siren", ended_at=end_at), end_at)
    restarted_at = 25.0 if again_at == 35.0 else 10.0
    state = engine.adopt(deafened(load_state(json.loads(json.dumps(dump_state(state)))), restarted_at))
    made: list[ActionRequest] = []
    if again_at is not None:
        state, due = engine.step(state, sound(again_at, profile="siren"), again_at)
        made += due
    _, due = engine.step(state, None, 1000.0)
    assert [request.due_at for request in (*made, *due)] == fires_at


def test_what_ended_long_before_a_restart_has_ended(tmp_path: Path) -> None:
    """And what ends and begins without a restart begins anew."""
    path = tmp_path / "rules.yaml"
    path.write_text(
        "- {id: r, trigger: {trigger: sound, profile: siren, for: 300}, action: {action: light.on}}"
    )
    engine = Engine(load_rules(path), clip_url, BERLIN)
    state = engine.initial_state()
    for event in (sound(0, profile="siren"), sound(0, profile="siren", ended_at=8)):
        state, _ = engine.step(state, event, event.decided_at)
    plain, _ = engine.step(state, sound(9, profile="siren"), 9.0)
    assert [due.due_at for due in engine.step(plain, None, 1000.0)[1]] == [309.0]
    state, _ = engine.step(engine.adopt(deafened(state, 100.0)), sound(101, profile="siren"), 101.0)
    assert [due.due_at for due in engine.step(state, None, 1000.0)[1]] == [401.0]
