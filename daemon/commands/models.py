"""`heard models`: encoders besides the one that ships."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.export_encoder import EXAMPLE, export_encoder
from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.models.catalogue import OfficialModel
    from daemon.models.download import Progress
    from daemon.models.folder import ModelFolder

group = typer.Typer(help="Encoders besides the one that ships.", no_args_is_help=True)
group.command("export-encoder", epilog=EXAMPLE)(export_encoder)


@group.command("list", epilog="Example: heard models list --json")
def list_models(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the encoders that heard knows, whose they are, and which are here."""
    from daemon.config import load_config
    from daemon.models.listing import known_models

    rows = known_models(load_config(config).state_dir)
    if as_json:
        for row in rows:
            print_json(row)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("encoder", "here", "MB", "licence", "verified by", "about")
    for row in rows:
        checked = {"known": "sha256", "pinned": "sha256, pinned here"}.get(str(row["sha256_from"]), "–")
        table.add_row(
            str(row["name"]), "yes" if row["ready"] else "", f"{row['megabytes']:.1f}", str(row["licence"]),
            checked, str(row["about"]),
        )  # fmt: skip
    Console(highlight=False).print(table)
    typer.echo("`heard models pull NAME` fetches one; `encoder: NAME` in the configuration uses it.")


@group.command("pull", epilog="Example: heard models pull mn04 --from Downloads/mn04_as_mAP_432.pt")
def pull(
    name: Annotated[str, typer.Argument(help="A name that `heard models list` shows.")],
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="The published file, where there is no network.", metavar="FILE"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch an encoder from its makers, verify it, and make it ready to use.

    A broken download goes on where it broke when the same command is given again.
    """
    from daemon.config import load_config
    from daemon.models.catalogue import BUILTIN, MODELS
    from daemon.models.pull import pull as pull_model
    from foundation.wording import did_you_mean

    model = MODELS.get(name)
    if model is None:
        reason = "it ships with heard" if name == BUILTIN else did_you_mean(name, MODELS).removeprefix("; ")
        raise typer.BadParameter(f"there is no model {name!r} to pull: {reason}")
    folder = _folder(load_config(config).state_dir)
    if folder.ready(model):
        _tell(model, folder, as_json=as_json, text=f"{name} is here: {folder.entry(model)}")
        return
    with _progress(model.file_name) as progress:
        done = pull_model(
            model, folder, from_file=from_file, progress=progress, say=lambda text: typer.echo(text, err=True)
        )
    text = f"{name} is ready: {done.entry}\nsha256 of the published file: {done.sha256}"
    if done.newly_pinned:
        text += (
            "\nheard did not know this file, so there was nothing to compare it with; from now on only this "
            f"one is taken ({folder.root / 'pins.json'})."
        )
    text += f"\n`encoder: {name}` in the configuration uses it."
    _tell(model, folder, as_json=as_json, text=text)


@group.command("plan", epilog="Example: heard models plan MiMo-Audio-7B-Instruct --weights int4")
def plan(
    name: Annotated[str, typer.Argument(help="A published full audio model, or the path of its folder.")],
    weights: Annotated[str, typer.Option(help="full, int8 or int4.")] = "full",
    dtype: Annotated[str, typer.Option(help="bfloat16 or float32.")] = "bfloat16",
    speech: Annotated[bool, typer.Option("--speech", help="With what speech output needs.")] = False,
    memory_gb: Annotated[
        float | None,
        typer.Option(min=0, help="What there is, in GB. Default: this machine's available memory."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a full audio model needs of memory, part by part, before it is loaded.

    And the least that it works in, more slowly, out of a folder that `heard models pack` wrote. The exit code
    is 1 if it does not fit.
    """
    from typing import Literal, cast

    from daemon.audio_model.plan import available_bytes, read_for_each_pass
    from daemon.audio_model.plan import plan as work_out
    from detectors.audio_models import LoadOptions

    if weights not in {"full", "int8", "int4"} or dtype not in {"bfloat16", "float32"}:
        raise typer.BadParameter("--weights is full, int8 or int4; --dtype is bfloat16 or float32")
    load = LoadOptions(
        weights=cast("Literal['full', 'int8', 'int4']", weights),
        dtype=cast("Literal['bfloat16', 'float32']", dtype),
        speech=speech,
    )
    needs = work_out(name, load)
    there = available_bytes() if memory_gb is None else round(memory_gb * 1e9)
    fits = there is None or needs.total_bytes <= there
    limited = (
        not fits and needs.packed and needs.least_bytes is not None and needs.least_bytes <= (there or 0)
    )
    read = read_for_each_pass(name, load, there) if limited and there is not None else 0
    if as_json:
        print_json(
            {
                "name": needs.name, "weights": needs.weights, "bytes": dict(needs.parts),
                "left_out": dict(needs.left_out), "total_bytes": needs.total_bytes,
                "least_bytes": needs.least_bytes, "packed": needs.packed, "available_bytes": there,
                "fits": fits, "fits_limited": limited, "read_for_each_token_bytes": read,
            }
        )  # fmt: skip
    else:
        for part, size in needs.parts.items():
            typer.echo(f"{size / 1e9:7.2f} GB  {part}")
        typer.echo(
            f"{needs.total_bytes / 1e9:7.2f} GB  in all, with `weights: {needs.weights}` and `dtype: {dtype}`"
        )
        if needs.least_bytes is not None:
            how = "with `memory_gb`" if needs.packed else "once packed (`heard models pack`)"
            typer.echo(f"{needs.least_bytes / 1e9:7.2f} GB  the least that it works in, more slowly, {how}")
        for part, size in needs.left_out.items():
            typer.echo(f"{size / 1e9:7.2f} GB  {part}: not loaded without --speech")
        if there is not None:
            verdict = "it fits" if fits else "it does not fit: fewer bits (--weights), or another machine"
            if not fits and not limited and needs.least_bytes is not None and needs.least_bytes <= there:
                verdict = "it does not fit so; packed (`heard models pack`) it works in them"
            if limited:
                verdict = (
                    f"it fits with `memory_gb: {there / 1e9:.1f}`, and reads {read / 1e9:.1f} GB from disk "
                    "for each token"
                )
            typer.echo(f"{there / 1e9:7.2f} GB  there are: {verdict}")
    if not (fits or limited):
        raise typer.Exit(1)


@group.command(
    "pack", epilog="Example: heard models pack MiMo-Audio-7B-Instruct --weights int4 --to /srv/mimo"
)
def pack(
    folder: Annotated[
        Path,
        typer.Argument(help="MiMo-Audio's folder as its makers publish it, its tokenizer's beside it."),
    ],
    to: Annotated[Path, typer.Option(help="The folder to write.", metavar="DIR")],
    weights: Annotated[str, typer.Option(help="int4 or int8.")] = "int4",
    as_json: JsonOption = False,
) -> None:
    """Write a full audio model's weights in fewer bits, once: it then loads in seconds, in less memory.

    For words alone. Nothing is left behind if it fails; the published folders are not needed afterwards.
    """
    from typing import Literal, cast

    from detectors.audio_models import LoadOptions
    from detectors.audio_models.opening import pack_folder
    from foundation.errors import ModelError

    if weights not in {"int8", "int4"}:
        raise typer.BadParameter("expected int4 or int8", param_hint="--weights")
    if not folder.is_dir():
        raise ModelError(f"{folder}: there is no such folder")
    load = LoadOptions(weights=cast("Literal['int8', 'int4']", weights))
    with _progress(f"{folder.name} as {weights}") as progress:
        pack_folder(folder, to, load, progress)
    size = sum(file.stat().st_size for file in to.iterdir())
    if as_json:
        print_json({"folder": str(to), "bytes": size})
    else:
        typer.echo(f"{to} is ready: {size / 1e9:.1f} GB; `folder: {to}` under `audio_model:` uses it.")


@group.command("background", epilog="Example: heard models background evening.flac morning.flac")
def background(
    files: Annotated[list[Path], typer.Argument(help="Recordings of ordinary hours: at least ten minutes.")],
    config: ConfigOption = None,
) -> None:
    """Let the encoder of the configuration hear what is ordinary: profiles are calibrated against it.

    Needed once for each encoder but `builtin`, which brings a background of its own.
    """
    from daemon.config import load_config
    from daemon.models.catalogue import BUILTIN
    from daemon.models.choice import background_path, load_encoder
    from fewshot_profiles.background import bank_from_recordings

    settings = load_config(config)
    if settings.encoder == BUILTIN:
        raise typer.BadParameter("the builtin encoder brings its background; `encoder:` names no other one")
    encoder = load_encoder(settings)
    bank = bank_from_recordings(encoder, files)
    path = background_path(settings, encoder.id)
    path.parent.mkdir(parents=True, exist_ok=True)
    bank.write(path)
    typer.echo(f"{settings.encoder} has heard {60 * bank.hours:.0f} minutes of background: {path}")


def _folder(state_dir: Path) -> ModelFolder:
    from daemon.models.folder import model_folder

    return model_folder(state_dir)


def _tell(model: OfficialModel, folder: ModelFolder, *, as_json: bool, text: str) -> None:
    from daemon.models.listing import model_json

    if as_json:
        print_json(model_json(model, folder))
    else:
        typer.echo(text)


@contextmanager
def _progress(what: str) -> Iterator[Progress]:
    """Show how far a download is, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
