"""`heard profiles enroll`: from files, a stream's last seconds, a past event, or at the microphone."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.config import Config
    from daemon.learning.teacher import Teacher

LastOption = Annotated[
    str | None,
    typer.Option(
        "--last", help="Take the sound from a stream's last seconds, such as 30s.", show_default=False
    ),
]
StreamOption = Annotated[
    str | None,
    typer.Option(help="Which stream; needed where the daemon has several.", show_default=False),
]
PickOption = Annotated[
    str | None,
    typer.Option(
        help="Which of the sounds found there, such as 1,3; by default those most alike.", show_default=False
    ),
]


def enroll(  # noqa: PLR0913, PLR0917 - a command's options
    name: Annotated[str, typer.Argument(help="What the sound is called: a-z, 0-9 and _.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="1 to 20 recordings of it; three to five are good.")
    ] = None,
    last: LastOption = None,
    stream: StreamOption = None,
    pick: PickOption = None,
    event: Annotated[
        str | None,
        typer.Option(help="Take the sound from a past event's clip, by its id.", show_default=False),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Make the sound now, with guidance.")
    ] = False,
    count: Annotated[int, typer.Option(min=1, max=20, help="How often, with --microphone.")] = 5,
    add: Annotated[bool, typer.Option("--add", help="Add to a profile that is there.")] = False,
    description: Annotated[str, typer.Option(help="What it sounds like, in words.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="A tag; may be given several times.")] = None,
    false_alarms_per_day: Annotated[
        float | None,
        typer.Option(help="How many are acceptable; by default one a week.", min=1e-4, show_default=False),
    ] = None,
    embeddings_only: Annotated[
        bool, typer.Option("--embeddings-only", help="Keep no audio of the examples.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Teach a sound from a few examples, and say how far it can be trusted.

    The sound is found inside each example; a daemon that runs listens for it at once.
    """
    from daemon.commands.telling import taught_lines
    from daemon.config import load_config

    check_name(name)
    ways = [bool(files), last is not None, event is not None, microphone]
    if sum(ways) != 1:
        raise typer.BadParameter("say where the sound is: FILES, --last 30s, --event ID, or --microphone")
    wanted: dict[str, Any] = {
        "name": name,
        "description": description,
        "tags": list(tag or ()),
        "false_alarms_per_day": false_alarms_per_day,
        "add": add,
        "keep_audio": not embeddings_only,
    }
    settings = load_config(config)
    if files:
        answer = _from_files(settings, wanted, files)
    elif microphone:
        answer = _at_microphone(settings, wanted | {"stream": stream, "count": count})
    elif event is not None:
        answer = _from_event(settings, wanted | {"event": event})
    else:
        assert last is not None
        request = {"do": "enroll", "stream": stream, "last_s": seconds(last), "pick": numbers(pick)}
        answer = asked(settings, wanted | request, "teaching from the last seconds")
    if as_json:
        print_json(answer)
        return
    for line in taught_lines(answer):
        typer.echo(line)


def check_name(name: str) -> None:
    """Raise BadParameter for a name that no profile can have."""
    from fewshot_profiles.folder import NAME_PATTERN

    if not re.fullmatch(NAME_PATTERN, name):
        raise typer.BadParameter(f"{name!r} is no name for a profile: use a-z, 0-9 and _")


def seconds(text: str) -> float:
    """Read `30`, `30s` or `2m` as seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m)?", text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is no time: say 30s or 2m")
    return float(match[1]) * (60.0 if match[2] == "m" else 1.0)


def numbers(text: str | None) -> list[int]:
    """Read `1,3` as numbers."""
    if not text:
        return []
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise typer.BadParameter(f"{text!r} are no numbers of sounds: say 1 or 1,3")
    return [int(part) for part in parts]


def asked(settings: Config, request: dict[str, Any], what: str) -> dict[str, Any]:
    """Ask the running daemon; leave with a message where none runs."""
    from daemon.control import ask

    answer = ask(settings.state_dir, request)
    if answer is None:
        typer.echo(
            f"heard: {what} needs a running daemon, and none runs on the state folder {settings.state_dir}. "
            "Start it with `heard run`, or give FILES.",
            err=True,
        )
        raise typer.Exit(2)
    return answer


def _from_files(settings: Config, wanted: dict[str, Any], files: list[Path]) -> dict[str, Any]:
    from daemon.learning.desk import enrolled_json, teaching_of
    from daemon.learning.requests import Enroll
    from fewshot_profiles.enrollment import read_examples

    request = Enroll(**wanted)
    recordings = read_examples(files)
    result = _teacher(settings).enroll(
        teaching_of(request), recordings, add=request.add, keep_audio=request.keep_audio
    )
    return enrolled_json(result)


def _from_event(settings: Config, wanted: dict[str, Any]) -> dict[str, Any]:
    from daemon.control import ask
    from daemon.learning.desk import enrolled_json, teaching_of
    from daemon.learning.requests import Enroll
    from daemon.learning.sound_picking import event_recording

    answer = ask(settings.state_dir, {"do": "enroll", **wanted})
    if answer is not None:
        return answer
    teacher, request = _teacher(settings), Enroll(**wanted)
    sounds = event_recording(teacher, wanted["event"])
    result = teacher.enroll(
        teaching_of(request),
        sounds.recordings,
        add=request.add,
        keep_audio=request.keep_audio,
        without=sounds.spans,
    )
    return enrolled_json(result)


def _at_microphone(settings: Config, wanted: dict[str, Any]) -> dict[str, Any]:
    """Guide at the running daemon's stream, else at the source that the configuration names."""
    from daemon.commands.meter import Meter
    from daemon.control import ask
    from daemon.learning.guiding import guided_at_source
    from daemon.learning.requests import Guided

    with Meter(wanted["name"], wanted["count"]) as meter:
        answer = ask(settings.state_dir, {"do": "guide", **wanted}, meter.show)
        if answer is None:
            answer = guided_at_source(_teacher(settings), Guided(**wanted), meter.show)
    return answer


def _teacher(settings: Config) -> Teacher:
    from daemon.learning.teacher import Teacher
    from daemon.models.choice import load_encoder

    return Teacher(settings, load_encoder(settings))
