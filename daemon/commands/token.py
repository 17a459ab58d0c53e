"""`heard token`: who may use the HTTP API from elsewhere."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.api.tokens import TokenFile

group = typer.Typer(help="Who may use the HTTP API from elsewhere.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="What it is for, such as home-assistant.", metavar="NAME")]


@group.command("add", epilog="Example: heard token add home-assistant --scope act")
def add(
    name: NameArgument,
    scope: Annotated[
        str,
        typer.Option(help="read: see and hear; act: also switch and teach; admin: also remove and import."),
    ] = "read",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and show it, this once: heard keeps only its hash. A running daemon takes it at once."""
    from daemon.api.tokens import SCOPES

    if scope not in SCOPES:
        raise typer.BadParameter(f"expected {', '.join(SCOPES)}", param_hint="--scope")
    secret = _tokens(config).add(name, SCOPES[scope])
    if as_json:
        print_json({"name": name, "scope": scope, "token": secret})
    else:
        typer.echo(secret)
        typer.echo(f"Shown this once. It may {scope}: Authorization: Bearer …", err=True)


@group.command("list", epilog="Example: heard token list --json")
def list_tokens(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the tokens by name; what they are was shown once."""
    for token in _tokens(config).tokens():
        if as_json:
            print_json({"name": token.name, "scope": token.scope, "made": token.made})
        else:
            typer.echo(f"{token.name}  {token.scope}  made {token.made}")


@group.command("remove", epilog="Example: heard token remove home-assistant")
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a token be worth nothing from now on."""
    _tokens(config).remove(name)
    typer.echo(f"{name} may no longer ask.")


def _tokens(config: Path | None) -> TokenFile:
    from daemon.api.tokens import TokenFile
    from daemon.config import load_config

    return TokenFile(load_config(config).state_dir)
