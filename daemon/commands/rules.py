"""`heard rules`: what follows from a sound."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json
from daemon.commands.rules_shown import outcome_json, problem_json, show_warnings, shown_json, told

if TYPE_CHECKING:
    from daemon.config import Config
    from rules.loader import RuleSet
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
    from foundation.errors import RuleError

    try:
        _, found = _read(config, path)
    except RuleError as error:
        if not as_json:
            show_warnings(error.warnings)
            raise
        print_json(
            {
                "rules": [],
                "problems": [problem_json(problem) for problem in error.problems],
                "warnings": [problem_json(problem) for problem in error.warnings],
            }
        )
        raise typer.Exit(2) from None
    if as_json:
        warnings = [problem_json(problem) for problem in found.warnings]
        print_json({"rules": [rule.id for rule in found.rules], "problems": [], "warnings": warnings})
    else:
        show_warnings(found.warnings)
        typer.echo(_verdict(len(found.rules), len(found.warnings)))
    if found.warnings:
        raise typer.Exit(1)


def _verdict(rules: int, warnings: int) -> str:
    if not rules:
        return "There are no rules here: files of rules end in .yaml, and stand in the folder itself."
    said = f"{warnings} of what they say can never be" if warnings else "nothing wrong with them"
    return f"{rules} rule{'' if rules == 1 else 's'}, and {said}."


HistoryOption = Annotated[
    str | None, typer.Option("--history", help="How far back: 7d, 12h or 30m.", metavar="TIME")
]
PathArgument = Annotated[
    Path | None,
    typer.Argument(help="A rule file or a folder of them; by default what the configuration names."),
]


@group.command("test", epilog="Example: heard rules test rules.d --history 7d")
def try_out(
    path: PathArgument = None,
    history: HistoryOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the tests that stand in rule files; with --history, try the rules on what was heard.

    Nothing is sent. Exit code 0: all tests passed; 1: some did not; 2: the rules cannot be used.
    """
    settings, found = _read(config, path)
    if history is None:
        _run_tests(settings, found, as_json=as_json)
    else:
        _try_on_history(settings, found, _seconds(history), as_json=as_json)


def _run_tests(settings: Config, found: RuleSet, *, as_json: bool) -> None:
    from daemon.deciding.trials import run_trials

    outcomes = list(run_trials(settings, found.trials))
    failed = [outcome for outcome in outcomes if outcome.faults]
    if as_json:
        print_json([outcome_json(outcome) for outcome in outcomes])
    else:
        for outcome in outcomes:
            trial = outcome.trial
            typer.echo(f"{'failed' if outcome.faults else 'passed'}  {trial.name}")
            for fault in outcome.faults:
                typer.echo(f"    {trial.file}:{trial.line}: {fault}")
        typer.echo(
            f"{len(outcomes)} tests, {len(failed)} failed."
            if outcomes
            else "No file has tests. With --history 7d the rules are tried on what was heard."
        )
    if failed:
        raise typer.Exit(1)


def _try_on_history(settings: Config, found: RuleSet, seconds: float, *, as_json: bool) -> None:
    import time

    from daemon.deciding.past import dry_run

    run = dry_run(settings, found.rules, since=time.time() - seconds)
    fired = [verdict for verdict in run.verdicts if verdict.stopped is None]
    if as_json:
        print_json([shown_json(settings, verdict) for verdict in fired])
        return
    for rule_id, times in Counter(verdict.rule_id for verdict in fired).items():
        typer.echo(f"{rule_id}: would have fired {times} time{'s' * (times != 1)}")
        of_rule = [each for each in fired if each.rule_id == rule_id]
        for verdict in of_rule[:SHOWN]:
            typer.echo(f"    {told(settings, verdict)}")
        if len(of_rule) > SHOWN:
            typer.echo(f"    … and {len(of_rule) - SHOWN} more (--json lists all)")
    if not fired:
        typer.echo("No rule would have fired.")


AtOption = Annotated[
    str | None,
    typer.Option(
        "--at", help="A moment, such as 22:14 or 2026-01-31 22:14:05, and a minute around it.", metavar="TIME"
    ),
]


@group.command("explain", epilog="Example: heard rules explain glass_at_night --at 22:14")
def explain(
    rule: Annotated[str, typer.Argument(help="The id of a rule.")],
    path: PathArgument = None,
    history: HistoryOption = None,
    at: AtOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say why a rule fired, and what stopped it where it did not.

    As the daemon noted it while it ran; with a file, or where it noted nothing, as the rules would see it.
    """
    import time

    from daemon.deciding.past import AROUND_S, explained, would_be

    settings, found = _read(config, path)
    moment = None if at is None else _moment(at)
    since = time.time() - _seconds(history or "1d") if moment is None else moment - AROUND_S
    until = None if moment is None else moment + AROUND_S
    asked = explained if path is None else would_be
    verdicts = asked(settings, found.rules, rule, since=since, until=until)
    if rule not in {each.id for each in found.rules} and not verdicts:
        from foundation.wording import did_you_mean

        known = [each.id for each in found.rules]
        raise typer.BadParameter(f"there is no rule {rule!r}{did_you_mean(rule, known)}")
    if as_json:
        print_json([shown_json(settings, verdict) for verdict in verdicts])
        return
    for verdict in verdicts:
        typer.echo(f"{told(settings, verdict)}  {verdict.stopped or 'fired'}")
    if not verdicts:
        typer.echo("Nothing was heard or said that concerns this rule.")
    if moment is not None:
        _sum_up(settings, verdicts, moment)


def _sum_up(settings: Config, verdicts: list[Verdict], moment: float) -> None:
    """Say which trigger came nearest to a moment, and what was heard and nearly heard."""
    from daemon.deciding.past import AROUND_S, heard_about, nearest_to, nearly_heard

    nearest = nearest_to(verdicts, moment)
    if nearest is not None:
        how = "made it fire" if nearest.stopped is None else f"came nearest; stopped by {nearest.stopped}"
        typer.echo(f"Trigger {nearest.trigger} {how}.")
    sounds = heard_about(settings, moment, within_s=AROUND_S)
    for sound in sounds[:SHOWN]:
        typer.echo(f"    heard: {sound.profile} on {sound.stream}, score {sound.score:.2f}")
    faint = nearly_heard(settings, moment, within_s=AROUND_S)
    for each in faint[:SHOWN]:
        typer.echo(
            f"    nearly: {each.profile} on {each.stream}, score {each.score:.2f}"
            f" at {each.level_dbfs:.0f} dBFS: less than its threshold"
        )
    if not sounds and not faint:
        typer.echo("    No sound was like any profile, or all were too quiet for the gate.")


def _read(config: Path | None, path: Path | None) -> tuple[Config, RuleSet]:
    from daemon.config import load_config
    from daemon.models.choice import load_encoder
    from daemon.parts import load_profiles, read_rule_set

    settings = load_config(config)
    return settings, read_rule_set(settings, load_profiles(settings, load_encoder(settings).id), path)


def _seconds(history: str) -> float:
    unit = {"d": 86_400, "h": 3_600, "m": 60}.get(history[-1:])
    if unit is None or not history[:-1].isdecimal() or len(history) > 9:
        raise typer.BadParameter("expected a time such as 7d, 12h or 30m", param_hint="--history")
    return float(int(history[:-1]) * unit)


def _moment(text: str) -> float:
    """Return the moment that a time of day (the last one), or a date and a time, names."""
    from datetime import datetime, timedelta

    from daemon.zone import local_zone
    from rules.reading import clock_time

    now = datetime.now(local_zone())
    clock = clock_time(text)
    if clock is not None:
        today = datetime.combine(now.date(), clock, now.tzinfo)
        return (today if today <= now else today - timedelta(days=1)).timestamp()
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "expected a moment such as 22:14 or 2026-01-31 22:14:05", param_hint="--at"
        ) from None
    return (named if named.tzinfo else named.replace(tzinfo=now.tzinfo)).timestamp()
