"""`heard schema`: the shape of files, for editors."""

from __future__ import annotations

import typer

from daemon.commands.options import print_json

group = typer.Typer(no_args_is_help=True)


@group.callback()
def schema() -> None:
    """Print the shape of the owner's files as JSON Schema, for editors."""


@group.command("config", epilog="Example: heard schema config > heard.schema.json")
def config() -> None:
    """Print the JSON Schema of the configuration file."""
    from daemon.config import Config

    print_json(Config.model_json_schema())
