"""How `heard rules` shows what it found."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.config import Config
    from daemon.deciding.trials import Outcome
    from foundation.errors import Problem
    from rules.verdict import Verdict


def show_warnings(warnings: Iterable[Problem]) -> None:
    """Print what can be read and never does anything."""
    for warning in warnings:
        typer.echo(f"{warning}\n", err=True)


def told(config: Config, verdict: Verdict) -> str:
    """Return when and what a verdict was about, in a line."""
    from datetime import datetime

    from daemon.deciding.past import clip_of
    from daemon.zone import local_zone

    at = datetime.fromtimestamp(verdict.at, local_zone()).isoformat(" ", timespec="seconds")
    event = verdict.event
    if event is not None:
        clip = clip_of(config, event)
        kept = "" if clip is None else f"  {clip}"
        return f"{at}  {event.profile} on {event.stream}, score {event.score:.2f}{kept}"
    match verdict.told:
        case {"topic": str(topic), "payload": str(payload)}:
            return f"{at}  {topic}: {_short(payload)}"
        case {"entity_id": str(entity_id), "to_state": {"state": str(state)}}:
            return f"{at}  {entity_id} became {state}"
    return f"{at}  the clock"


def shown_json(config: Config, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for a program to read."""
    from daemon.deciding.past import clip_of, verdict_json

    clip = None if verdict.event is None else clip_of(config, verdict.event)
    return verdict_json(verdict, clip=None if clip is None else str(clip))


def outcome_json(outcome: Outcome) -> dict[str, Any]:
    """Return how a test ended, for a program to read."""
    trial = outcome.trial
    return {
        "test": trial.name,
        "file": str(trial.file),
        "line": trial.line,
        "passed": not outcome.faults,
        "faults": list(outcome.faults),
    }


def problem_json(problem: Problem) -> dict[str, Any]:
    """Return what is wrong in a file, for a program to read."""
    return asdict(problem) | {"file": str(problem.file)}


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
