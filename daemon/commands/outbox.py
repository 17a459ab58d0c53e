"""`heard outbox`: what rules decided and no door has taken yet, and what became of the rest."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.commands.options import ConfigOption, JsonOption, print_json

if TYPE_CHECKING:
    from daemon.outbox.file import Ended, Waiting

group = typer.Typer(help="Show and drop what waits to be delivered.", no_args_is_help=True)


@group.command("list", epilog="Example: heard outbox list --past 20")
def list_waiting(
    past: Annotated[
        int | None,
        typer.Option(min=1, help="Show what became of so many, the newest last.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the actions that wait, in the order in which each target gets them."""
    from daemon.outbox.file import read_outcomes, read_waiting

    file = _file(config)
    if past is not None:
        for ended in read_outcomes(file, past):
            print_json(_ended_json(ended)) if as_json else typer.echo(_ended_line(ended))
        return
    waiting = read_waiting(file)
    for each in waiting:
        print_json(_waiting_json(each)) if as_json else typer.echo(_waiting_line(each))
    if not waiting and not as_json:
        typer.echo("Nothing waits.")


@group.command(epilog="Example: heard outbox drop 3f2a9c0d1e5b7788")
def drop(
    ids: Annotated[list[str] | None, typer.Argument(help="The ids that `heard outbox list` shows.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that waits.")] = False,
    config: ConfigOption = None,
) -> None:
    """Give up actions that wait; a daemon that runs notices within a second.

    One that is being delivered at that moment may still arrive.
    """
    from daemon.outbox.file import drop_waiting, read_waiting
    from foundation.errors import OwnerError

    if bool(ids) == everything:
        raise OwnerError("Say the ids of what to drop, as `heard outbox list` shows them, or --all.")
    file = _file(config)
    waiting = {each.id: each for each in read_waiting(file)}
    unknown = [name for name in ids or () if name not in waiting]
    if unknown:
        raise OwnerError(
            f"Nothing of this id waits: {', '.join(unknown)}. `heard outbox list` shows what does."
        )
    chosen = list(waiting.values()) if everything else [waiting[name] for name in dict.fromkeys(ids or ())]
    if chosen:
        drop_waiting(file, [_dropped(each) for each in chosen])
    typer.echo(f"Dropped: {len(chosen)}.")


def _file(config: Path | None) -> Path:
    from daemon.config import load_config

    return load_config(config).state_dir / "outbox.sqlite"


def _dropped(each: Waiting) -> Ended:
    from daemon.outbox.file import Ended, Outcome
    from daemon.outbox.request_json import load_request

    request = load_request(each.body)
    return Ended(
        seq=each.seq,
        id=each.id,
        rule_id=request.rule_id,
        action=request.action,
        target=each.target,
        put_at=each.put_at,
        ended_at=time.time(),
        outcome=Outcome.DROPPED,
        why="by `heard outbox drop`",
        event=None,
    )


def _waiting_json(each: Waiting) -> dict[str, Any]:
    from daemon.outbox.request_json import load_request

    request = load_request(each.body)
    # Neither payload nor address: both may hold secrets.
    return {
        "id": each.id,
        "rule": request.rule_id,
        "action": request.action,
        "target": each.target,
        "since": each.put_at,
        "expires": each.put_at + each.expires_s,
    }


def _waiting_line(each: Waiting) -> str:
    told = _waiting_json(each)
    left = timedelta(seconds=max(0, round(told["expires"] - time.time())))
    words = (_clock(each.put_at), each.id, told["rule"], told["action"], each.target, f"expires in {left}")
    return "  ".join(words)


def _ended_json(ended: Ended) -> dict[str, Any]:
    return {
        "id": ended.id,
        "rule": ended.rule_id,
        "action": ended.action,
        "target": ended.target,
        "since": ended.put_at,
        "ended": ended.ended_at,
        "outcome": ended.outcome.value,
        "why": ended.why,
    }


def _ended_line(ended: Ended) -> str:
    why = f": {ended.why}" if ended.why else ""
    return (
        f"{_clock(ended.ended_at)}  {ended.id}  {ended.rule_id}  {ended.action}  {ended.outcome.value}{why}"
    )


def _clock(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s).astimezone().strftime("%Y-%m-%d %H:%M:%S")
