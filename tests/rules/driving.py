"""Drives an engine with rules written as YAML, as a daemon would: waking whenever something is due."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

from rules.engine import Engine
from rules.facts import Fact, time_of
from rules.loader import load_rules
from rules.state_json import dump_state
from tests.rules.sounds import clip_url

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path

    from rules.model import ActionRequest

HEAD = "- id: r\n  triggers: [{trigger: sound, profile: finger_snap}]\n"


def said(request: ActionRequest) -> tuple[float, str]:
    """Show a message as its time and payload, anything else as its time and name."""
    return request.due_at, str(request.data.get("payload", request.action))


def drive(
    folder: Path, text: str, *steps: Fact | float, zone: tzinfo = UTC, restart: bool = False
) -> list[tuple[float, str]]:
    """Run facts, and the clock to where a number stands; with a restart between all of it if wanted."""
    path = folder / "driven.yaml"
    path.write_text(text)
    engine = Engine(load_rules(path), clip_url, zone)
    state = engine.initial_state()
    requests: list[ActionRequest] = []
    for step in steps:
        fact, until = (None, step) if isinstance(step, int | float) else (step, time_of(step))
        while (wake := engine.next_wake(state)) is not None and wake <= until:
            # A clock that is not set yet is set when the first thing happens.
            state, due = engine.step(state, None, wake or until)
            requests.extend(due)
        state, due = engine.step(state, fact, until)
        requests.extend(due)
        if restart:
            state = engine.restore(json.loads(json.dumps(dump_state(state), allow_nan=False)))
    return [said(request) for request in requests]
