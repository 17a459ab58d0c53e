"""`heard evidence`: the clips that were kept."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from pathlib import Path

group = typer.Typer(help="The clips that were kept as evidence.", no_args_is_help=True)


@group.command("list", epilog="Example: heard evidence list --json")
def list_clips(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the clips, the oldest first."""
    from daemon.evidence.kept import newest_clips

    for clip in reversed(list(newest_clips(_folder(config)))):
        if as_json:
            print_json(clip.sidecar | {"clip": str(clip.path)})
        else:
            event = clip.sidecar["event"]
            typer.echo(f"{clip.started}  {event['stream']}  {event['event_type']}  {clip.path}")


@group.command("verify", epilog="Example: heard evidence verify --config /etc/heard/heard.yaml")
def verify(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Compare every clip with the ledger; exit code 1 if one was changed, is missing or is not known."""
    from daemon.evidence.ledger import verify_ledger

    folder = _folder(config)
    findings = verify_ledger(folder) if folder.is_dir() else []
    if as_json:
        for finding in findings:
            print_json({"fault": finding.fault, "path": str(finding.path), "detail": finding.detail})
    elif findings:
        typer.echo("\n".join(str(finding) for finding in findings))
    else:
        typer.echo(f"The evidence in {folder} is as it was stored.")
    if findings:
        raise typer.Exit(1)


def _folder(config: Path | None) -> Path:
    from daemon.config import load_config

    return load_config(config).evidence_folder
