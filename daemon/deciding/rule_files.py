"""Puts rule files in force when they are saved: all of them, or, while anything in them is wrong, none."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from foundation.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from foundation.errors import Problem
    from rules.loader import RuleSet
    from rules.model import Rule

LOOK_EVERY_S = 0.4

_Look = frozenset[tuple[str, int, int, int]]

_log = logging.getLogger(__name__)


class RuleFiles:
    """Watches where the rules came from. `adopt` is given new rules, on the event loop."""

    def __init__(
        self,
        path: Path,
        *,
        read: Callable[[], RuleSet],
        in_force: tuple[Rule, ...],
        adopt: Callable[[tuple[Rule, ...]], None],
    ) -> None:
        self._path = path
        self._read = read
        self._adopt = adopt
        self._files: tuple[Path, ...] = ()
        self.rules = in_force
        """What is in force."""
        self.found: RuleSet | None = None
        """All that was read with what is in force; None before the first look."""
        self.fault: str | None = None
        """Why what was saved last is not in force, in a line."""
        self._stale = False
        self._warned: tuple[Problem, ...] = ()

    def look_again(self) -> None:
        """Read the rules anew: what they may speak of has changed."""
        self._stale = True

    async def run(self) -> None:
        """Look now and then, until cancelled. What changed since the rules were loaded counts as well."""
        seen: _Look | None = None
        while True:
            look = await asyncio.to_thread(_look, self._path, self._files)
            if look != seen or self._stale:
                self._stale = False
                # The look before the reading counts: what is saved meanwhile is seen the next time.
                seen = look
                await self._read_again()
            await asyncio.sleep(LOOK_EVERY_S)

    async def _read_again(self) -> None:
        try:
            found = await asyncio.to_thread(self._read)
        except RuleError as error:
            self._files = tuple({*self._files, *(problem.file for problem in error.problems)})
            _log.error("the rules as saved are wrong, those before stay in force:\n%s", error)
            more = len(error.problems) - 1
            self.fault = str(error).splitlines()[0] + (f" (and {more} more)" if more else "")
            return
        self._files, self.found = found.files, found
        mended, self.fault = self.fault is not None, None
        if found.warnings != self._warned:
            self._warned = found.warnings
            for warning in found.warnings:
                _log.warning("%s", warning)
        if found.rules != self.rules or mended:
            _log.info("rules are in force as saved: %d", len(found.rules))
        if found.rules != self.rules:
            self.rules = found.rules
            self._adopt(found.rules)


def _look(path: Path, files: Iterable[Path]) -> _Look:
    """Return what changes whenever one of the files is saved, appears or goes."""
    watched = {path, *files}
    with suppress(OSError):
        watched |= {entry for entry in path.iterdir() if entry.suffix in {".yaml", ".yml"}}
    seen = []
    for file in watched:
        try:
            known = file.stat()
        except OSError:
            continue
        seen.append((str(file), known.st_ino, known.st_size, known.st_mtime_ns))
    return frozenset(seen)
