"""The command `heard`. Its commands are in `daemon/commands`, where heavy imports wait for their turn."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

import os
import sys
from contextlib import suppress
from importlib.metadata import version
from typing import Annotated

import typer

from daemon.commands import (
    ask,
    audio,
    cabin,
    check,
    demo,
    events,
    evidence,
    feedback,
    home_assistant,
    models,
    outbox,
    profiles,
    rules,
    run,
    schema,
    status,
    token,
)
from foundation.errors import HeardError, OwnerError

app = typer.Typer(
    name="heard",
    help="Listens for the sounds that matter and acts on them, on this machine alone.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 the owner must act.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - a flag of the command
    if wanted:
        typer.echo(f"heard {version('heard')}")
        raise typer.Exit


@app.callback(help=app.info.help, epilog=app.info.epilog)
def _heard(
    version_wanted: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version, and end."),
    ] = False,
) -> None:
    """Take what concerns no command."""
    del version_wanted


app.command("run", epilog="Example: heard run --config /etc/heard/heard.yaml")(run.run)
app.command("demo", epilog="Example: heard demo --once --seed 7")(demo.demo)
app.command("check", epilog="Example: heard check --config /etc/heard/heard.yaml")(check.check)
app.command("replay", epilog="Example: heard replay night.flac porch.wav --json")(audio.replay)
app.command("ask", epilog='Example: heard ask doorbell.wav "What is this?" --choice doorbell --choice phone')(
    ask.ask
)
app.command("devices", epilog="Example: heard devices --json")(audio.devices)
app.command("status", epilog="Example: heard status --json")(status.status)
app.command("events", epilog="Example: heard events --profile doorbell --json")(events.events)
app.command("feedback", epilog="Example: heard feedback 3f2a9c0d1e5b7788 wrong")(feedback.feedback)
app.add_typer(profiles.group, name="profiles")
app.add_typer(rules.group, name="rules")
app.add_typer(cabin.group, name="cabin")
app.add_typer(evidence.group, name="evidence")
app.add_typer(models.group, name="models")
app.add_typer(outbox.group, name="outbox")
app.add_typer(schema.group, name="schema")
app.add_typer(token.group, name="token")
app.add_typer(home_assistant.group, name="ha")


def main() -> None:
    """Run the command line; what the owner must mend is one message on stderr and exit code 2."""
    # A hub's other cores are not ours; numpy's threads cost more than they bring on matrices this small.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        app()
    except OwnerError as error:
        _refuse(error)
        sys.exit(2)
    except HeardError as error:
        _refuse(error)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read our output, such as `head`, has seen enough. Python would complain again at exit.
        with suppress(OSError):
            sys.stdout.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)


def _refuse(error: HeardError) -> None:
    typer.echo(f"heard: {error}", err=True)
