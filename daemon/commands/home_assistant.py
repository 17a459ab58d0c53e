"""`heard ha`: what concerns Home Assistant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.options import JsonOption, print_json

group = typer.Typer(no_args_is_help=True)


@group.callback()
def home_assistant() -> None:
    """What concerns Home Assistant."""


@group.command("install", epilog="Example: heard ha install --config /config")
def install(
    config: Annotated[
        Path,
        typer.Option(
            "--config", "-c", help="Home Assistant's configuration folder.", metavar="DIR", show_default=False
        ),
    ],
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of a command
) -> None:
    """Put heard's component and blueprints into Home Assistant.

    An older component is replaced. A blueprint that was changed is kept beside the new one, with a name that
    ends in .before.
    """
    from integrations.home_assistant.installation import install as put

    done = put(config.expanduser())
    if as_json:
        print_json(
            {
                "component": str(done.component),
                "version": done.version,
                "version_before": done.version_before,
                "blueprints": [str(path) for path in done.blueprints],
                "kept": [str(path) for path in done.kept],
            }
        )
        return
    instead = "" if done.version_before is None else f", in the place of {done.version_before}"
    typer.echo(f"heard {done.version} is in {done.component}{instead}.")
    typer.echo(f"{len(done.blueprints)} blueprints are in {done.blueprints[0].parent}.")
    for path in done.kept:
        typer.echo(f"What was changed there is kept as {path}.")
    typer.echo(
        "\nNext:\n"
        "  1. heard token add home-assistant --scope act\n"
        "  2. Restart Home Assistant.\n"
        "  3. Settings, Devices & services: heard is found by itself, or add it by its address.\n"
        "  4. Settings, Automations & scenes, Blueprints: four of them begin with “heard:”."
    )
