"""`heard demo`: watch the daemon hear, without a microphone."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from daemon.demo import DEFAULT_SEED


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after one scene.")] = False,
    seed: Annotated[int, typer.Option(help="Varies every sound of the scene.")] = DEFAULT_SEED,
    folder: Annotated[Path, typer.Option(help="Where sounds, profile and clips go.")] = Path("heard-demo"),
) -> None:
    """Teach a doorbell, then play a scene to the daemon in real time and show what it makes of it.

    Exit code 0 if every planned sound was heard and nothing else was, else 1.
    """
    from daemon.demo.run import run_demo

    raise typer.Exit(run_demo(seed=seed, once=once, folder=folder))
