"""`heard profiles`: the sounds that are known, and teaching one more."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from fewshot_profiles.enrollment import EnrollmentResult
    from fewshot_profiles.profile import Profile

group = typer.Typer(help="The sounds that are known.", no_args_is_help=True)


@group.command("list", epilog="Example: heard profiles list --json")
def list_profiles(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the profiles that the daemon listens for."""
    from daemon.config import load_config
    from daemon.models.choice import load_encoder
    from daemon.parts import load_profiles

    settings = load_config(config)
    profiles = load_profiles(settings, load_encoder(settings).id)
    if as_json:
        for profile in profiles:
            print_json(_as_json(profile))
    else:
        _show(profiles)


@group.command("enroll", epilog="Example: heard profiles enroll doorbell ring1.wav ring2.wav ring3.wav")
def enroll(
    name: Annotated[str, typer.Argument(help="What the sound is called: a-z, 0-9 and _.")],
    files: Annotated[list[Path], typer.Argument(help="1 to 20 recordings of it; three to five are good.")],
    description: Annotated[str, typer.Option(help="What it sounds like, in words.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given several times.")] = None,
    into: Annotated[
        Path | None,
        typer.Option(help="The folder of profiles to put it in; by default `profiles` in the state folder."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a sound from a few recordings, and say how far it can be trusted."""
    from daemon.config import load_config
    from daemon.models.choice import load_bank, load_encoder
    from daemon.parts import load_profiles, taught_folder
    from fewshot_profiles.enrollment import Teaching
    from fewshot_profiles.enrollment import enroll as enroll_files
    from fewshot_profiles.folder import NAME_PATTERN, write_profile

    if not re.fullmatch(NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r} is no name for a profile: use a-z, 0-9 and _")
    settings = load_config(config)
    encoder = load_encoder(settings)
    result = enroll_files(
        Teaching(name=name, description=description, tags=tuple(tag or ())),
        files,
        encoder=encoder,
        bank=load_bank(settings, encoder.id),
        others=load_profiles(settings, encoder.id),
    )
    folder = write_profile(result.profile, into or taught_folder(settings), result.recordings)
    if as_json:
        print_json(_as_json(result.profile) | _report(result) | {"folder": str(folder)})
    else:
        _show_report(result, folder)


def _as_json(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "description": profile.description,
        "tags": list(profile.tags),
        "kind": profile.kind,
        "threshold": round(profile.threshold, 4),
        "version": profile.version,
        "examples": len(profile.examples),
        "encoder": profile.detector.encoder,
    }


def _report(result: EnrollmentResult) -> dict[str, object]:
    return {
        "leave_one_out_recall": result.leave_one_out_recall,
        "false_alarms_per_hour": result.false_alarms_per_hour,
        "confused_with": list(result.confused_with),
        "verdicts": [str(verdict) for verdict in result.verdicts],
    }


def _show_report(result: EnrollmentResult, folder: Path) -> None:
    for verdict in result.verdicts:
        typer.echo(str(verdict))
    if result.leave_one_out_recall is not None:
        typer.echo(f"Each example against the others: {result.leave_one_out_recall:.0%} heard.")
    typer.echo(f"False alarms to expect: {24 * result.false_alarms_per_hour:.1f} a day.")
    if result.confused_with:
        typer.echo(f"It may be taken for: {', '.join(result.confused_with)}.")
    typer.echo(f"Written to {folder}. A daemon that runs takes it up when it is restarted.")


def _show(profiles: tuple[Profile, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("profile", "kind", "threshold", "examples", "tags", "description")
    for profile in profiles:
        table.add_row(
            profile.name,
            profile.kind,
            f"{profile.threshold:.2f}",
            str(len(profile.examples)),
            " ".join(profile.tags),
            profile.description,
        )
    Console(highlight=False).print(table)
