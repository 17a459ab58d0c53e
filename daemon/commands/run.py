"""`heard run` and `heard demo`: the daemon itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daemon.commands.options import ConfigOption

if TYPE_CHECKING:
    from daemon.config import Config


def run(config: ConfigOption = None) -> None:
    """Listen until stopped, and print what is heard.

    Without a configuration: the default microphone, all stock profiles, no broker.
    """
    import asyncio

    from daemon.config import load_config
    from daemon.logs import set_up_logging

    settings = load_config(config)
    set_up_logging(settings.log_level)
    asyncio.run(_run(settings))


async def _run(config: Config) -> None:
    from daemon.app import App
    from daemon.commands.printer import Printer
    from daemon.lifecycle import run_until_signalled
    from daemon.parts import load_parts

    await run_until_signalled(App(config, load_parts(config), observers=[Printer(typer.echo)]))
