"""`heard schema`: the shape of files, for editors."""

from __future__ import annotations

import typer

from daemon.commands.options import ConfigOption, print_json

group = typer.Typer(no_args_is_help=True)


@group.callback()
def schema() -> None:
    """Print the shape of the owner's files as JSON Schema, for editors."""


@group.command("config", epilog="Example: heard schema config > heard.schema.json")
def config() -> None:
    """Print the JSON Schema of the configuration file."""
    from daemon.config import Config

    print_json(Config.model_json_schema())


@group.command("rules", epilog="Example: heard schema rules > rules.schema.json")
def rules(config: ConfigOption = None) -> None:
    """Print the JSON Schema of rule files; streams and profiles of the configuration are offered by name."""
    from daemon.config import load_config
    from daemon.models.choice import load_encoder
    from daemon.parts import load_profiles
    from rules.schema import rules_schema

    settings = load_config(config)
    profiles = load_profiles(settings, load_encoder(settings).id)
    print_json(rules_schema([profile.name for profile in profiles], list(settings.streams)))
