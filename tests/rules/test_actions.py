"""The actions of a rule as a program: choices, loops, branches and delays, over restarts too."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from tests.rules.driving import HEAD, drive
from tests.rules.sounds import sound


def say(word: str) -> str:
    return f'{{action: mqtt.publish, data: {{topic: t, payload: "{word}"}}}}'


def run(folder: Path, actions: str, *, head: str = HEAD, restart: bool = False) -> list[tuple[float, str]]:
    text = f"{head}  actions:\n" + "".join(f"    {line}\n" for line in actions.strip().splitlines())
    return drive(folder, text, sound(0.0), 1.0, 2.5, 4.0, 100.0, zone=UTC, restart=restart)


PROGRAMS = [
    (f"- {say('a')}\n- delay: 3\n- {say('b')}", [(0, "a"), (3, "b")]),
    (f"- if: '{{{{ trigger.score > 0.5 }}}}'\n  then: {say('loud')}\n  else: {say('faint')}", [(0, "loud")]),
    (
        (
            f"- if: '{{{{ 1 > 2 }}}}'\n  then: {say('loud')}\n  else: [{{delay: 2}}, {say('faint')}]\n"
            f"- {say('after')}"
        ),
        [(2, "faint"), (2, "after")],
    ),
    (
        (
            "- choose:\n"
            f"    - {{conditions: '{{{{ 1 > 2 }}}}', sequence: {say('hall')}}}\n"
            f"    - {{conditions: '{{{{ 2 > 1 }}}}', sequence: [{{delay: 1}}, {say('desk')}]}}\n"
            f"  default: {say('else')}"
        ),
        [(1, "desk")],
    ),
    (
        f"- choose: [{{conditions: '{{{{ 1 > 2 }}}}', sequence: {say('x')}}}]\n- {say('y')}",
        [(0, "y")],
    ),
    (
        f"- repeat: {{count: 3, sequence: [{say('{{ repeat.index }}')}, {{delay: 2}}]}}\n- {say('end')}",
        [(0, "1"), (2, "2"), (4, "3"), (6, "end")],
    ),
    (
        (
            "- variables: {n: 0}\n"
            "- repeat: {while: '{{ n < 2 }}', sequence: [{variables: {n: '{{ n + 1 }}'}}, {delay: 1}]}\n"
            f"- {say('{{ n }}')}"
        ),
        [(2, "2")],
    ),
    (
        f"- repeat: {{until: '{{{{ repeat.index == 2 }}}}', sequence: [{say('x')}, {{delay: 1}}]}}",
        [(0, "x"), (1, "x")],
    ),
    (
        (
            f"- parallel: [[{{delay: 3}}, {say('a')}], {{sequence: [{{delay: 2}}, {say('b')}]}}, "
            f"{say('c')}]\n- {say('d')}"
        ),
        [(0, "c"), (2, "b"), (3, "a"), (3, "d")],
    ),
    (
        (
            f"- repeat: {{count: 2, sequence: [{{parallel: [{{delay: 1}}, {{delay: 2}}]}}, "
            f"{say('r{{ repeat.index }}')}]}}"
        ),
        [(2, "r1"), (4, "r2")],
    ),
    (f"- {say('a')}\n- stop: enough\n- {say('b')}", [(0, "a")]),
    (f"- parallel: [[{{delay: 1}}, {{stop: }}], [{{delay: 2}}, {say('never')}]]\n- {say('never')}", []),
    (f"- {say('a')}\n- '{{{{ trigger.score > 2 }}}}'\n- {say('b')}", [(0, "a")]),
    (
        f"- sequence: [{{condition: time, after: '12:00'}}, {say('noon')}]\n- {say('b')}",
        [(0, "b")],
    ),
]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("actions", "expected"), PROGRAMS)
def test_actions_steer(
    tmp_path: Path, actions: str, expected: list[tuple[float, str]], *, restart: bool
) -> None:
    """A delay inside of any of them is waited for, and outlives a restart."""
    assert run(tmp_path, actions, restart=restart) == expected


def test_variables_of_a_rule_are_worked_out_first(tmp_path: Path) -> None:
    """Each may use those before it, and conditions see them."""
    head = HEAD + (
        '  variables: {room: "{{ trigger.stream }}", place: "{{ room ~ \'/x\' }}", steps: [1, 2]}\n'
        "  conditions: '{{ room == \"desk\" and 2 in steps }}'\n"
    )
    assert run(tmp_path, f"- {say('{{ place }}')}", head=head) == [(0, "desk/x")]


@pytest.mark.parametrize(
    ("goes_on", "expected"),
    [("true", ["heard.log", "b"]), ("false", ["heard.log"])],
)
def test_an_action_that_fails_stops_the_others_if_told_to(
    tmp_path: Path, goes_on: str, expected: list[str]
) -> None:
    """By default an alarm does as much as it can."""
    data = "{topic: t, payload: '{{ 1 / 0 }}'}"
    broken = f"{{action: mqtt.publish, continue_on_error: {goes_on}, data: {data}}}"
    assert [word for _, word in run(tmp_path, f"- {broken}\n- {say('b')}")] == expected


def test_a_condition_that_cannot_be_told_is_not_true(tmp_path: Path) -> None:
    """And the owner is told, before the actions and within them."""
    head = HEAD + "  conditions: '{{ 1 / 0 > 1 }}'\n"
    assert run(tmp_path, f"- {say('a')}", head=head) == [(0, "heard.log")]
    assert run(tmp_path, f"- if: '{{{{ 1 / 0 }}}}'\n  then: {say('a')}") == [(0, "heard.log")]


def test_a_loop_without_a_delay_is_stopped(tmp_path: Path) -> None:
    """At a thousand actions in one moment, and says so; the daemon goes on."""
    said = run(tmp_path, "- repeat: {while: '{{ true }}', sequence: [{variables: {x: 1}}]}")
    assert said == [(0, "heard.log")]


SLOW = "- {trigger: sound, profile: finger_snap}"


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("single", [0, 10, 12, 22]),
        ("restart", [0, 4, 5, 12, 22]),
        ("queued, max: 2", [0, 10, 10, 20, 20, 30]),
        ("parallel, max: 2", [0, 10, 4, 14, 12, 22]),
        ("parallel", [0, 10, 4, 14, 5, 15, 12, 22]),
    ],
)
def test_modes_decide_what_a_second_firing_does(tmp_path: Path, mode: str, expected: list[float]) -> None:
    """Refused, in place of the first, after it, or beside it."""
    keys = f"  mode: {mode.replace(', max', chr(10) + '  max')}\n"
    text = HEAD + keys + f"  actions: [{say('in')}, {{delay: 10}}, {say('out')}]\n"
    got = drive(
        tmp_path, text, sound(0.0), sound(4.0), sound(5.0), sound(12.0), 100.0, zone=UTC, restart=True
    )
    assert sorted(at for at, _ in got) == sorted(expected)


def test_keep_firing_for_is_prolonged_by_every_sound(tmp_path: Path) -> None:
    """One message for as long as it goes on, however long that is."""
    text = HEAD + f"  keep_firing_for: 10\n  actions: [{say('x')}]\n"
    snaps = [sound(float(at)) for at in (0, 8, 16, 24, 35)]
    assert [at for at, _ in drive(tmp_path, text, *snaps, zone=UTC, restart=True)] == [0, 35]


def test_edited_actions_are_not_gone_on_with(tmp_path: Path) -> None:
    """A place in the old list means nothing in the new one."""
    from rules.engine import Engine
    from rules.loader import load_rules

    path = tmp_path / "r.yaml"
    path.write_text(f"{HEAD}  actions: [{{delay: 5}}, {say('a')}]")
    old = Engine(load_rules(path), lambda _: "", UTC)
    state, _ = old.step(old.initial_state(), sound(0.0), 0.0)
    assert state.runs
    assert old.adopt(state) == state
    path.write_text(f"{HEAD}  actions: [{{delay: 5}}, {say('b')}]")
    assert not Engine(load_rules(path), lambda _: "", UTC).adopt(state).runs
