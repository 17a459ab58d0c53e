"""`heard rules`: what follows from a sound."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from foundation.errors import Problem
    from rules.verdict import Verdict

group = typer.Typer(no_args_is_help=True)

SHOWN = 20
"""Firings of one rule that are listed."""


@group.callback()
def rules() -> None:
    """What follows from a sound."""


@group.command("check", epilog="Example: heard rules check rules.d --json")
def check(
    path: Annotated[
        Path | None,
        typer.Argument(help="A rule file or a folder of them; by default what the configuration names."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check rule files, and say what is wrong where.

    Exit code 0: nothing; 1: some rule can never do what it says; 2: the rules cannot be used.
    """
    from daemon.config import load_config
    from daemon.models.choice import load_encoder
    from daemon.parts import load_profiles, read_rule_set
    from foundation.errors import RuleError

    settings = load_config(config)
    profiles = load_profiles(settings, load_encoder(settings).id)
    try:
        found = read_rule_set(settings, profiles, path)
    except RuleError as error:
        if not as_json:
            raise
        print_json(
            {"rules": [], "problems": [_as_json(problem) for problem in error.problems], "warnings": []}
        )
        raise typer.Exit(2) from None
    if as_json:
        warnings = [_as_json(problem) for problem in found.warnings]
        print_json({"rules": [rule.id for rule in found.rules], "problems": [], "warnings": warnings})
    else:
        for warning in found.warnings:
            typer.echo(f"{warning}\n", err=True)
        verdict = (
            f"{len(found.warnings)} of what they say can never be"
            if found.warnings
            else "nothing wrong with them"
        )
        typer.echo(f"{len(found.rules)} rules, and {verdict}.")
    if found.warnings:
        raise typer.Exit(1)


HistoryOption = Annotated[
    str, typer.Option("--history", help="How far back: 7d, 12h or 30m.", metavar="TIME")
]
PathArgument = Annotated[
    Path | None,
    typer.Argument(help="A rule file or a folder of them; by default what the configuration names."),
]


@group.command("test", epilog="Example: heard rules test rules.d --history 7d")
def try_out(
    path: PathArgument = None,
    history: HistoryOption = "7d",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what rules would have done with what was heard; nothing is sent.

    Starts are taken one step after the onset, with the score of the whole sound.
    """
    fired = [verdict for verdict in _verdicts(config, path, history) if verdict.stopped is None]
    if as_json:
        print_json([_verdict_json(verdict) for verdict in fired])
        return
    for rule_id, times in Counter(verdict.rule_id for verdict in fired).items():
        typer.echo(f"{rule_id}: would have fired {times} times")
        for verdict in [each for each in fired if each.rule_id == rule_id][:SHOWN]:
            typer.echo(f"    {_told(verdict)}")
    if not fired:
        typer.echo("No rule would have fired.")


@group.command("explain", epilog="Example: heard rules explain glass_at_night --history 1d")
def explain(
    rule: Annotated[str, typer.Argument(help="The id of a rule.")],
    path: PathArgument = None,
    history: HistoryOption = "1d",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a rule fired, and what stopped it where it did not, for everything heard that concerned it."""
    found = [verdict for verdict in _verdicts(config, path, history) if verdict.rule_id == rule]
    if as_json:
        print_json([_verdict_json(verdict) for verdict in found])
        return
    for verdict in found:
        typer.echo(f"{_told(verdict)}  {verdict.stopped or 'fired'}")
    if not found:
        typer.echo("Nothing was heard that concerns this rule.")


def _verdicts(config: Path | None, path: Path | None, history: str) -> list[Verdict]:
    import time

    from daemon.config import load_config
    from daemon.evidence import clip_path
    from daemon.history_file import read_events
    from daemon.models.choice import load_encoder
    from daemon.parts import load_profiles, load_rule_set
    from daemon.zone import local_zone
    from rules.engine import Engine
    from rules.simulation import both_ends, simulate

    settings = load_config(config)
    rules = load_rule_set(settings, load_profiles(settings, load_encoder(settings).id), path)
    since = time.time() - _seconds(history)
    sounds = read_events(settings.state_dir / "history.sqlite", limit=-1, since=since)
    verdicts: list[Verdict] = []
    engine = Engine(
        rules,
        lambda event: clip_path(settings.evidence_folder, event).absolute().as_uri(),
        local_zone(),
        note=verdicts.append,
    )
    for _ in simulate(engine, both_ends(sounds), since=since, until=time.time()):
        pass
    return verdicts


def _seconds(history: str) -> float:
    unit = {"d": 86_400, "h": 3_600, "m": 60}.get(history[-1:])
    if unit is None or not history[:-1].isdecimal():
        raise typer.BadParameter("expected a time such as 7d, 12h or 30m", param_hint="--history")
    return float(int(history[:-1]) * unit)


def _told(verdict: Verdict) -> str:
    from datetime import datetime

    from daemon.zone import local_zone

    at = datetime.fromtimestamp(verdict.at, local_zone()).isoformat(" ", timespec="seconds")
    if verdict.event is None:
        return f"{at}  the clock"
    return f"{at}  {verdict.event.profile} on {verdict.event.stream}, score {verdict.event.score:.2f}"


def _verdict_json(verdict: Verdict) -> dict[str, object]:
    event = verdict.event
    return {
        "rule": verdict.rule_id,
        "at": verdict.at,
        "event": None if event is None else event.id,
        "profile": None if event is None else event.profile,
        "stream": None if event is None else event.stream,
        "stopped_by": None if verdict.stopped is None else str(verdict.stopped),
    }


def _as_json(problem: Problem) -> dict[str, object]:
    return asdict(problem) | {"file": str(problem.file)}
