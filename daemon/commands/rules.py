"""`heard rules`: what follows from a sound."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from foundation.errors import Problem

group = typer.Typer(no_args_is_help=True)


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


def _as_json(problem: Problem) -> dict[str, object]:
    return asdict(problem) | {"file": str(problem.file)}
