"""`heard events`: what was heard, from the history."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from detectors.types import SoundEvent


def events(
    profile: Annotated[str | None, typer.Option(help="Only of this profile.", show_default=False)] = None,
    stream: Annotated[str | None, typer.Option(help="Only on this stream.", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many, the newest.")] = 20,
    config: ConfigOption = None,
    as_json: JsonOption = False,  # noqa: FBT002 - a command's flag
) -> None:
    """List what was heard, the newest last; `heard feedback ID wrong` takes the id at the end of a line."""
    from daemon.config import load_config
    from daemon.history_file import read_events
    from integrations.topics import event_payload

    file = load_config(config).state_dir / "history.sqlite"
    for event in reversed(read_events(file, limit, profile=profile, stream=stream)):
        if as_json:
            print_json(event_payload(event, clip_url=None))
        else:
            typer.echo(_line(event))


def _line(event: SoundEvent) -> str:
    clock = datetime.fromtimestamp(event.onset_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return f"{clock}  {event.stream}  {event.profile}  {event.score:.2f}  {event.id}"
