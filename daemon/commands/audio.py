"""`heard replay` and `heard devices`: recordings and microphones."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.replay import ReplayedFile

FilesArgument = Annotated[list[Path], typer.Argument(help="Recordings, in any format libsndfile reads.")]


def replay(
    files: FilesArgument,
    stream: Annotated[
        str | None, typer.Option(help="Hear them as this stream of the configuration: matters for a car.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what would be heard in recordings, as fast as the machine goes.

    The configuration gives profiles and gate. With --json, one object a line for each sound. A file that
    cannot be read is told on stderr, and makes the exit code 1.
    """
    from daemon.config import load_config
    from daemon.parts import load_detection
    from daemon.replay import replay as replay_files

    failed = False
    settings = load_config(config)
    if stream is not None and stream not in settings.streams:
        raise typer.BadParameter(
            f"there is no stream {stream!r}; the configuration has {', '.join(settings.streams)}"
        )
    for replayed in replay_files(load_detection(settings, heard_as=stream), files):
        _print_sounds(replayed, as_json=as_json)
        if replayed.error is not None:
            failed = True
            typer.echo(f"heard: {replayed.error}", err=True)
    if failed:
        raise typer.Exit(1)


def devices(as_json: JsonOption = False) -> None:
    """List the microphones of this machine; `device:` in the configuration takes such a name."""
    from dataclasses import asdict

    from daemon.sources.devices import capture_devices

    found = capture_devices()
    if as_json:
        for device in found:
            print_json(asdict(device))
        return
    for device in found:
        typer.echo(f"{'*' if device.is_default else ' '} {device}")
    typer.echo("* is the default." if found else "No capture device was found.")


def _print_sounds(replayed: ReplayedFile, *, as_json: bool) -> None:
    for sound in replayed.sounds:
        if as_json:
            print_json(sound.as_json())
        else:
            span = f"{sound.onset_s:8.2f}–{sound.end_s:.2f} s"
            typer.echo(f"{replayed.file}  {span}  {sound.profile}  {sound.score:.2f}")
    if not as_json and not replayed.sounds and replayed.error is None:
        typer.echo(f"{replayed.file}  nothing heard")
