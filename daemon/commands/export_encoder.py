"""`heard models export-encoder`: a full audio model's ears as an encoder for profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

EXAMPLE = "Example: heard models export-encoder models/whisper-small --window-ms 1000 --hop-ms 480"


def export_encoder(  # noqa: PLR0913, PLR0917 - one option each
    folder: Annotated[
        Path,
        typer.Argument(help="Of Whisper, Kimi-Audio, mini-omni, MiMo-Audio or its tokenizer, as published."),
    ],
    name: Annotated[
        str | None, typer.Option(help="What the encoder is to be called. Default: after the folder.")
    ] = None,
    window_ms: Annotated[int, typer.Option(min=80, max=30_000, help="How much it hears at once.")] = 1_000,
    hop_ms: Annotated[int, typer.Option(min=80, help="How often it listens: a multiple of 80.")] = 480,
    licence: Annotated[str, typer.Option(help="Of the weights, for the manifest.")] = "not confirmed",
    to: Annotated[
        Path | None,
        typer.Option(help="Where to write it. Default: `models` in the state folder.", metavar="FOLDER"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,  # noqa: FBT002 - a flag of a command
) -> None:
    """Make an encoder for profiles out of a full audio model's ears; nothing of its words is needed.

    Needs torch and onnx (`pip install 'heard[full]'`), once, on any machine; listening needs neither.
    """
    from daemon.config import load_config
    from daemon.models.ears import export_ears
    from daemon.models.folder import model_folder

    target = to or model_folder(load_config(config).state_dir).root
    manifest = export_ears(folder, target, name, window_ms=window_ms, hop_ms=hop_ms, licence=licence)
    if as_json:
        print_json({"manifest": str(manifest)})
    else:
        typer.echo(f"{manifest} is ready; `encoder: {manifest}` in the configuration uses it.")
