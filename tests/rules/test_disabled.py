"""Rules that are switched off: they follow what happens, and do nothing."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from rules.engine import Engine
from rules.loader import load_rules
from tests.rules.driving import HEAD
from tests.rules.sounds import clip_url, sound

if TYPE_CHECKING:
    from pathlib import Path

    from rules.model import Rule
    from rules.verdict import Verdict

OFF = frozenset({"r"})


def rules_of(folder: Path, text: str) -> tuple[Rule, ...]:
    path = folder / "r.yaml"
    path.write_text(text)
    return load_rules(path)


def test_one_that_is_switched_off_says_so_and_asks_for_nothing(tmp_path: Path) -> None:
    """`heard rules explain` has the answer; a cooldown does not begin."""
    rules = rules_of(tmp_path, HEAD + "  cooldown: 60\n  actions: [{action: heard.save_clip}]\n")
    verdicts: list[Verdict] = []
    off = Engine(rules, clip_url, UTC, note=verdicts.append, disabled=frozenset({rules[0].id}))
    state, requests = off.step(off.initial_state(), sound(0.0), 0.0)
    assert requests == ()
    assert str(verdicts[0].stopped) == "disabled: the rule is switched off"
    on = Engine(rules, clip_url, UTC)
    _, requests = on.step(on.adopt(state), sound(5.0), 5.0)
    assert len(requests) == 1


def test_what_it_counted_while_off_counts_when_it_is_on_again(tmp_path: Path) -> None:
    """Of two snaps, the first may have been heard by a rule that was off."""
    text = """
- id: r
  triggers: [{trigger: sound, profile: finger_snap, count: 2, within: 10}]
  actions: [{action: heard.save_clip}]
"""
    rules = rules_of(tmp_path, text)
    off, on = Engine(rules, clip_url, UTC, disabled=OFF), Engine(rules, clip_url, UTC)
    state, _ = off.step(off.initial_state(), sound(0.0), 0.0)
    _, requests = on.step(on.adopt(state), sound(3.0), 3.0)
    assert len(requests) == 1


def test_what_it_had_begun_ends(tmp_path: Path) -> None:
    """A delay under way when it is switched off has nothing behind it any more."""
    rules = rules_of(tmp_path, HEAD + "  actions: [{delay: 5}, {action: heard.save_clip}]\n")
    on = Engine(rules, clip_url, UTC)
    state, _ = on.step(on.initial_state(), sound(0.0), 0.0)
    assert state.runs
    off = Engine(rules, clip_url, UTC, disabled=frozenset({rules[0].id}))
    state = off.adopt(state)
    assert not state.runs
    _, requests = off.step(state, None, 10.0)
    assert requests == ()
