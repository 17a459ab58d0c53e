"""From the operating system's signals to a clean end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from daemon.app import App


async def run_until_signalled(app: App) -> None:
    """Run `app`; SIGTERM and SIGINT stop it cleanly."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, app.stop)
    try:
        await app.run()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
