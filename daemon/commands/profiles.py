"""`heard profiles`: the sounds that are known; their reports, versions and files."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands import enroll
from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.learning.teacher import Teacher
    from fewshot_profiles.profile import Profile

group = typer.Typer(help="The sounds that are known.", no_args_is_help=True)
group.command("enroll", epilog="Example: heard profiles enroll doorbell ring1.wav ring2.wav ring3.wav")(
    enroll.enroll
)

NameArgument = Annotated[str, typer.Argument(help="The profile.", metavar="NAME")]


@group.command("list", epilog="Example: heard profiles list --json")
def list_profiles(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the profiles that the daemon listens for."""
    profiles = teacher_of(config).profiles()
    if as_json:
        for profile in profiles:
            print_json(_as_json(profile))
    else:
        _show(profiles)


@group.command("report", epilog="Example: heard profiles report doorbell --page doorbell.html")
def report(
    name: NameArgument,
    page: Annotated[
        Path | None, typer.Option(help="Write it as a page with pictures to this HTML file.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how far a profile can be trusted, and what would make it better."""
    from daemon.commands.telling import report_lines
    from daemon.learning.report_page import report_page
    from foundation.atomic_file import write_atomically

    teacher = teacher_of(config)
    found = teacher.report(name)
    if page is not None:
        recordings = teacher.recordings(teacher.profile(name))
        write_atomically(page, report_page(found, recordings).encode())
    if as_json:
        print_json(asdict(found))
        return
    for line in report_lines(asdict(found)):
        typer.echo(line)
    if page is not None:
        typer.echo(f"The page with pictures: {page}")


@group.command("promise", epilog="Example: heard profiles promise doorbell 0.5")
def promise(
    name: NameArgument,
    per_day: Annotated[float, typer.Argument(help="False alarms a day that are acceptable.", min=1e-4)],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a profile keep another rate of false alarms, judged on all that is known of this home.

    A threshold that was set for it (over MQTT or HTTP) is lifted.
    """
    from daemon.control import ask
    from daemon.learning.desk import promised_json
    from daemon.switches import FILE_NAME, Switches

    teacher = teacher_of(config)
    request = {"do": "promise", "name": name, "false_alarms_per_day": per_day}
    answer = ask(teacher.config.state_dir, request)
    if answer is None:
        switches = Switches(teacher.config.state_dir / FILE_NAME, streams=())
        changed = teacher.promise(name, per_day / 24.0)
        answer = promised_json(changed, lifted=switches.lift_threshold(name))
    if as_json:
        print_json(answer)
    else:
        typer.echo(f"{name} is heard from a score of {answer['threshold']} on.")
        if answer["lifted_threshold"] is not None:
            typer.echo(f"The threshold {answer['lifted_threshold']:g} that had been set for it is lifted.")


@group.command("versions", epilog="Example: heard profiles versions doorbell")
def versions(name: NameArgument, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what a profile of yours has been, the newest last."""
    found = teacher_of(config).versions(name)
    if as_json:
        print_json([asdict(version) for version in found])
        return
    for version in found:
        here = "  (in force)" if version.in_force else ""
        typer.echo(f"{version.revision:3}  {version.change}; {version.examples} examples{here}")


@group.command("undo", epilog="Example: heard profiles undo doorbell")
def undo(name: NameArgument, config: ConfigOption = None) -> None:
    """Take the last change of a profile back: teaching, a mark, a promise, or its removal."""
    from daemon.control import ask

    teacher = teacher_of(config)
    answer = ask(teacher.config.state_dir, {"do": "undo", "name": name})
    typer.echo(teacher.undo(name) if answer is None else answer["message"])


@group.command("remove", epilog="Example: heard profiles remove doorbell")
def remove(name: NameArgument, config: ConfigOption = None) -> None:
    """Take a profile of yours away; `heard profiles undo NAME` brings it back."""
    teacher_of(config).remove(name)
    typer.echo(f"{name} is gone. `heard profiles undo {name}` brings it back.")


@group.command("export", epilog="Example: heard profiles export doorbell --to doorbell.heard-profile")
def export(
    name: NameArgument,
    to: Annotated[
        Path | None, typer.Option(help="The file; by default NAME.heard-profile here.", show_default=False)
    ] = None,
    without_audio: Annotated[
        bool, typer.Option("--without-audio", help="Leave the recordings of its examples out.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write a profile as one file, to share it or to move it."""
    from fewshot_profiles.archive import SUFFIX

    teacher = teacher_of(config)
    path = teacher.export(name, to or Path(f"{name}{SUFFIX}"), with_audio=not without_audio)
    typer.echo(f"Written to {path}.")


@group.command("import", epilog="Example: heard profiles import doorbell.heard-profile --as back_door")
def import_(
    file: Annotated[Path, typer.Argument(help="A file that `heard profiles export` wrote.")],
    name: Annotated[str | None, typer.Option("--as", help="Another name for it.", show_default=False)] = None,
    replacing: Annotated[
        bool, typer.Option("--replace", help="Take the place of one that is there.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Take in an exported profile. It is checked like anything from elsewhere."""
    if name is not None:
        enroll.check_name(name)
    profile = teacher_of(config).import_(file, name=name, replacing=replacing)
    typer.echo(f"{profile.name} is taken in. A running daemon listens for it at once.")


def teacher_of(config: Path | None) -> Teacher:
    """Return who teaches on the configuration at `config`."""
    from daemon.config import load_config
    from daemon.learning.teacher import Teacher
    from daemon.models.choice import load_encoder

    settings = load_config(config)
    return Teacher(settings, load_encoder(settings))


def _as_json(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "description": profile.description,
        "tags": list(profile.tags),
        "kind": profile.kind,
        "threshold": round(profile.threshold, 4),
        "version": profile.version,
        "revision": profile.revision,
        "examples": len(profile.examples),
        "encoder": profile.detector.encoder,
    }


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
