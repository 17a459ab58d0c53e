"""`heard demo`: watch the daemon hear, without a microphone."""

# ruff: noqa: FBT002 - flags of commands

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after one scene; exit code 0 if all went well.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Varies every sound of the scene.")] = 0,
    folder: Annotated[
        Path | None, typer.Option(help="Where clips and state go.", show_default="heard-demo")
    ] = None,
) -> None:
    """Teach a doorbell, then play a scene to the daemon in real time and show what it makes of it."""
    from daemon.demo.run import run_demo

    raise typer.Exit(run_demo(once=once, seed=seed, folder=folder))
