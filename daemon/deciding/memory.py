"""What the rules remember, on disk: a cooldown or a delay outlives a restart."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

from daemon.logs import Changes
from foundation.atomic_file import write_atomically
from rules.state import deafened
from rules.state_json import dump_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rules.engine import Engine
    from rules.state import EngineState

KEEP_EVERY_S = 5.0
"""What a power cut may cost; between sounds nothing changes and nothing is written."""

_log = logging.getLogger(__name__)


class RulesMemory:
    """One file in the state folder. A file that cannot be read or written stops nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved: EngineState | None = None
        self._changes = Changes(_log)

    def load(self, engine: Engine, now: float) -> EngineState:
        """Return what was saved, as far as it still belongs to the engine's rules, at `now`, Unix seconds."""
        try:
            remembered = engine.restore(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return engine.initial_state()
        except (OSError, ValueError) as error:
            _log.warning("the rules start afresh: %s: %s", self._path, error)
            return engine.initial_state()
        return engine.adopt(deafened(remembered, now))

    def save(self, state: EngineState) -> None:
        """Write `state` if it is news. Blocks for the disk."""
        if state == self._saved:
            return
        try:
            write_atomically(self._path, json.dumps(dump_state(state)).encode())
        except OSError as error:
            self._changes.note(str(self._path), f"not written: {error.strerror or error}")
        else:
            self._saved = state
            self._changes.note(str(self._path), "written", level=logging.DEBUG)

    async def keep(self, state: Callable[[], EngineState]) -> None:
        """Save now and then, until cancelled."""
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await asyncio.to_thread(self.save, state())
