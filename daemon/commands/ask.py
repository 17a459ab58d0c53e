"""`heard ask`: a question about a recording, to the full audio model."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.audio_model.hybrid import Client
    from detectors.audio_models import AskOptions, Clip, Part

DEFAULT_QUESTION = "What do you hear?"


def ask(  # noqa: PLR0913, PLR0917 - one option each
    clip: Annotated[Path, typer.Argument(help="A recording, in any format libsndfile reads.")],
    question: Annotated[str, typer.Argument(help="In any language that the model knows.")] = DEFAULT_QUESTION,
    model: Annotated[
        Path | None,
        typer.Option(
            help="The model's folder. Default: `audio_model:` in the configuration.", metavar="FOLDER"
        ),
    ] = None,
    choice: Annotated[
        list[str] | None,
        typer.Option(help="Say how likely this answer is instead of generating one; give it once for each."),
    ] = None,
    example: Annotated[
        list[str] | None,
        typer.Option(help="An example: a recording and the answer to the question.", metavar="FILE=ANSWER"),
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="The longest answer.")] = 128,
    thinking: Annotated[bool, typer.Option("--thinking", help="Let it think first, where it can.")] = False,
    wait_s: Annotated[float, typer.Option(min=1, help="Seconds to wait, loading included.")] = 1_800,
    weights: Annotated[str, typer.Option(help="With --model: full, int8 or int4.")] = "full",
    memory_gb: Annotated[
        float | None,
        typer.Option(
            min=0, help="With --model, a packed folder: GB that it may hold; the rest is read as needed."
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the full audio model about a recording; it leaves this machine only for an endpoint of yours.

    With --choice, the probability of each choice among those given. A model on this machine is loaded for
    this alone; where the configuration names an endpoint beside it, that one is asked what it is unsure of.
    """
    import asyncio
    import logging

    from detectors.audio_models import AskOptions, Reply

    # Its warnings are for the daemon's log; here the error itself is shown.
    logging.getLogger("daemon.audio_model").setLevel(logging.ERROR)

    parts: list[Part] = []
    for one in example or []:
        file, sign, answer = one.partition("=")
        if not sign or not answer:
            raise typer.BadParameter(f"expected FILE=ANSWER, and found {one!r}", param_hint="--example")
        parts += [_clip(Path(file)), question, Reply(text=answer)]
    parts += [_clip(clip), question]
    client = _client(model, weights, memory_gb, config)
    if choice:
        likely = asyncio.run(_score(client, parts, choice, wait_s))
        _print_choices(dict(zip(choice, likely, strict=True)), as_json=as_json)
        return
    options = AskOptions(max_tokens=max_tokens, thinking=thinking)
    answer = asyncio.run(_ask(client, parts, options, wait_s, as_json=as_json))
    if as_json:
        print_json({"clip": str(clip), "question": question, "answer": answer.strip()})
    else:
        typer.echo()


async def _ask(
    client: Client, parts: list[Part], options: AskOptions, wait_s: float, *, as_json: bool
) -> str:
    def show(piece: str) -> None:
        typer.echo(piece, nl=False)

    async with client as model:
        return await model.ask(parts, options, within_s=wait_s, on_piece=None if as_json else show)


async def _score(client: Client, parts: list[Part], choices: list[str], wait_s: float) -> list[float]:
    import numpy as np

    async with client as model:
        scores = (await model.score([parts], choices, within_s=wait_s))[0]
    weights = np.exp(scores - scores.max())
    likely: list[float] = (weights / weights.sum()).tolist()
    return likely


def _print_choices(likely: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print_json({choice: round(value, 4) for choice, value in likely.items()})
        return
    for choice, value in sorted(likely.items(), key=lambda item: -item[1]):
        typer.echo(f"{value:6.1%}  {choice}")


def _client(model: Path | None, weights: str, memory_gb: float | None, config: Path | None) -> Client:
    import os
    from typing import Literal, cast

    from daemon.audio_model.child import ModelPlace
    from daemon.audio_model.client import ModelProcess
    from daemon.config import load_config
    from detectors.audio_models import LoadOptions
    from foundation.errors import ModelError

    if model is not None:
        if not model.is_dir():
            raise ModelError(f"{model}: there is no such folder")
        if weights not in {"full", "int8", "int4"}:
            raise typer.BadParameter("expected full, int8 or int4", param_hint="--weights")
        bits = cast("Literal['full', 'int8', 'int4']", weights)
        # Somebody waits for this one answer, so it may have the whole machine.
        limit = None if memory_gb is None else round(memory_gb * 1e9)
        load = LoadOptions(weights=bits, threads=os.cpu_count() or 1, memory_bytes=limit)
        return ModelProcess(ModelPlace(folder=model, load=load))
    settings = load_config(config).audio_model
    if settings is None:
        raise ModelError(
            "there is no full audio model: name its folder with --model, or under `audio_model:` in the "
            "configuration; docs/audio-models.md says which there are"
        )
    return settings.client()


def _clip(path: Path) -> Clip:
    import soundfile

    from detectors.audio_models import Clip
    from foundation.errors import AudioFileError

    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(f"{path}: cannot be read as audio: {error}") from error
    if not len(samples):
        raise AudioFileError(f"{path}: holds no audio")
    return Clip(samples=samples.mean(axis=1), rate_hz=int(rate_hz))
