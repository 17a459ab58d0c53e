"""Dry runs: rules over what was heard, on a simulated clock, with the reasons."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from rules.engine import Engine
from rules.loader import load_rules
from rules.simulation import both_ends, simulate
from rules.verdict import Verdict
from tests.rules.sounds import clip_url, sound

RULES = """\
- id: long
  triggers: [{trigger: sound, profile: siren, above: 0.6, for: 10}]
  conditions: [{condition: time, before: "00:02"}]
  cooldown: 60
  actions: [{action: heard.save_clip}, {delay: 5}, {action: mqtt.publish, data: {topic: t}}]
- id: double
  triggers: [{trigger: sound, profile: siren, count: 2, within: 30}]
  actions: [{action: heard.save_clip}]
"""


def test_a_dry_run_says_what_would_have_happened_and_why_not(tmp_path: Path) -> None:
    """Every gate that stopped a rule is named with what it measured; delays run out on the clock."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    verdicts: list[Verdict] = []
    engine = Engine(load_rules(path), clip_url, UTC, note=verdicts.append)
    lengths = [(0.0, 12.0, 0.9), (20.0, 33.0, 0.9), (100.0, 101.0, 0.5), (200.0, 220.0, 0.9)]
    ends = [sound(at, profile="siren", ended_at=until, score=score) for at, until, score in lengths]
    requests = list(simulate(engine, both_ends(ends), until=1000.0))
    assert [(request.rule_id, request.due_at, request.action) for request in requests] == [
        ("long", 10.0, "heard.save_clip"),
        ("long", 15.0, "mqtt.publish"),
        ("double", 20.08, "heard.save_clip"),
    ]
    assert [(verdict.rule_id, str(verdict.stopped or "")) for verdict in verdicts] == [
        ("long", "for: 0.1 s so far, wanted 10 s"),
        ("double", "count: 1 of 2 within 30 s"),
        ("long", ""),
        ("long", "for: 0.1 s so far, wanted 10 s"),
        ("double", ""),
        ("long", "cooldown: fired 20.0 s before, wanted 60 s"),
        ("long", "score: 0.500, wanted above 0.6"),
        ("double", "count: 1 of 2 within 30 s"),
        ("long", "for: 0.1 s so far, wanted 10 s"),
        ("double", "count: 1 of 2 within 30 s"),
        ("long", "condition: number 1 was false: time, it was Thu 00:03:30, wanted before 00:02:00"),
    ]
