"""`heard feedback`: right, wrong, missed; what it changes is shown first, and can be taken back."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.commands.enroll import LastOption, PickOption, StreamOption, asked, numbers, seconds
from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.config import Config


class Verdict(StrEnum):
    """What the owner says."""

    RIGHT = "right"
    WRONG = "wrong"
    MISSED = "missed"


def feedback(  # noqa: PLR0913, PLR0917 - a command's options
    what: Annotated[str, typer.Argument(help="The id of an event; with `missed`, a profile.")],
    verdict: Annotated[Verdict, typer.Argument(help="right or wrong of an event, missed of a profile.")],
    last: LastOption = None,
    stream: StreamOption = None,
    pick: PickOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Apply it without asking.")] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Only show what it would change.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell heard that an event was right or wrong, or that it missed a sound.

    It shows which past events would have come out otherwise, then asks; `heard profiles undo` takes it back.
    """
    from daemon.commands.telling import effect_lines
    from daemon.config import load_config

    settings = load_config(config)
    request: dict[str, Any] = {"do": "mark", "event": what, "verdict": verdict.value}
    if verdict is Verdict.MISSED:
        taken = {"last_s": seconds(last or "30s"), "stream": stream, "pick": numbers(pick)}
        request = {"do": "missed", "name": what, **taken}
    ask_first = not yes and not preview and not as_json and sys.stdin.isatty()
    apply_now = yes or (not preview and not ask_first)
    effect = _told(settings, request | {"apply": apply_now})
    if as_json:
        print_json(effect)
        return
    for line in effect_lines(effect):
        typer.echo(line)
    if ask_first and typer.confirm("Apply it?"):
        effect = _told(settings, request | {"apply": True})
    if effect["applied"]:
        typer.echo(f"Applied. `heard profiles undo {effect['profile']}` takes it back.")


def _told(settings: Config, request: dict[str, Any]) -> dict[str, Any]:
    """Tell the running daemon; a mark on an event works without one, too."""
    from daemon.control import ask

    if request["do"] == "missed":
        return asked(settings, request, "cutting a missed sound out of the last seconds")
    answer = ask(settings.state_dir, request)
    return _marked_here(settings, request) if answer is None else answer


def _marked_here(settings: Config, request: dict[str, Any]) -> dict[str, Any]:
    from dataclasses import asdict

    from daemon.learning.marking import Marking
    from daemon.learning.teacher import Teacher
    from daemon.models.choice import load_encoder

    marking = Marking(Teacher(settings, load_encoder(settings)))
    return asdict(marking.mark(request["event"], request["verdict"], apply=request["apply"]))
