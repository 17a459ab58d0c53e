"""`heard status`: what the running daemon says about itself."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from rich.table import Table


def status(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show how the running daemon is: its streams, doors and counters."""
    from daemon.config import load_config
    from daemon.status import ask_status

    state_dir = load_config(config).state_dir
    answer = ask_status(state_dir)
    if answer is None:
        typer.echo(f"heard: no daemon runs on the state folder {state_dir}.", err=True)
        raise typer.Exit(1)
    if as_json:
        print_json(answer)
    else:
        _show(answer)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(_node_table(answer))
    console.print(_stream_table(answer))
    for stream in answer["streams"]:
        if stream["problem"]:
            console.print(f"{stream['stream']}: {stream['problem']}", markup=False, soft_wrap=True)


def _node_table(answer: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    uptime = timedelta(seconds=round(answer["now"] - answer["started_at"]))
    counts = ("profiles", "rules", "events", "actions")
    table.add_row(
        "node", f"{answer['node']}, heard {answer['version']}, process {answer['pid']}, up {uptime}"
    )
    table.add_row("encoder", answer["encoder"])
    table.add_row("audio model", answer["audio_model"])
    table.add_row("API", answer["api"])
    table.add_row("satellites", answer["satellites"])
    table.add_row("counts", ", ".join(f"{answer[name]} {name}" for name in counts))
    table.add_row("state folder", answer["state_dir"])
    for door in ("mqtt", "evidence", "history", "rule_files", "profile_files"):
        table.add_row(door.replace("_", " "), _door(answer[door]))
    table.add_row("outbox", _outbox(answer["outbox"]))
    return table


def _outbox(outbox: dict[str, Any]) -> str:
    waiting = f", the oldest for {timedelta(seconds=round(outbox['oldest_s']))}" if outbox["waiting"] else ""
    lost = [
        f"{outbox[name]} {name.replace('_', ' ')}"
        for name in ("expired", "pushed_out", "failed", "dropped")
        if outbox[name]
    ]
    return ", ".join([f"{outbox['waiting']} wait{waiting}", *lost, _door(outbox)])


def _door(door: dict[str, Any]) -> str:
    since = f" since {_clock(door['since'])}" if door["since"] is not None else ""
    error = f": {door['error']}" if door["error"] else ""
    return f"{door['state']}{since}{error}"


def _stream_table(answer: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table("stream", "source", "health", "dBFS", "floor", "gate", "hops", "lost", "last", box=None)
    for stream in answer["streams"]:
        heard = f"{_clock(stream['last_event_at'])} {stream['last_event']}" if stream["last_event"] else ""
        table.add_row(
            stream["stream"],
            stream["source"],
            stream["health"] if stream["online"] or stream["health"] == "disabled" else "offline",
            _dbfs(stream["level_dbfs"]),
            _dbfs(stream["noise_floor_dbfs"]),
            f"{stream['gate_duty']:.0%}",
            str(stream["hops"]),
            str(stream["dropped_samples"]),
            heard,
        )
    return table


def _dbfs(level: float | None) -> str:
    return "" if level is None else f"{level:.0f}"


def _clock(unix_s: float) -> str:
    """Write the time of today, the day of any other moment."""
    moment = datetime.fromtimestamp(unix_s).astimezone()
    today = moment.date() == datetime.now().astimezone().date()
    return moment.strftime("%H:%M:%S" if today else "%Y-%m-%d")
