"""Puts profiles in force when their folders change: all of them, or, while anything is wrong, none."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from foundation.errors import OwnerError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fewshot_profiles.profile import Profile

LOOK_EVERY_S = 0.5

_Look = frozenset[tuple[str, int, int, int]]

_log = logging.getLogger(__name__)


class ProfileFiles:
    """Watches the owner's folders of profiles. `adopt` is given new profiles, on the event loop."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        read: Callable[[], tuple[Profile, ...]],
        in_force: tuple[Profile, ...],
        adopt: Callable[[tuple[Profile, ...]], None],
    ) -> None:
        self._folders = tuple(folders)
        self._read = read
        self._adopt = adopt
        self._seen = _look(self._folders)
        self._reading = asyncio.Lock()
        self.profiles = in_force
        """What is in force."""
        self.fault: str | None = None
        """Why what was changed last is not in force, in a line."""

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if await asyncio.to_thread(_look, self._folders) != self._seen:
                await self.now()

    async def now(self) -> None:
        """Put in force what lies there now, if it is news and nothing is wrong with it."""
        async with self._reading:
            # The look before the reading counts: what changes meanwhile is seen the next time.
            self._seen = await asyncio.to_thread(_look, self._folders)
            try:
                found = await asyncio.to_thread(self._read)
            except OwnerError as error:
                self.fault = str(error).splitlines()[0]
                _log.error("the profiles as they lie there are wrong, those before stay in force:\n%s", error)
                return
            self.fault = None
            if _versions(found) != _versions(self.profiles):
                self.profiles = found
                _log.info("profiles are in force as they lie there: %d", len(found))
                self._adopt(found)


def _versions(profiles: tuple[Profile, ...]) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {profile.name: (profile.version, profile.tags) for profile in profiles}


def _look(folders: Sequence[Path]) -> _Look:
    """Return what changes whenever a profile comes, goes or is written."""
    seen = []
    for folder in folders:
        with suppress(OSError):
            for profile in folder.iterdir():
                if profile.name.startswith("."):
                    continue
                for file in (profile / "profile.yaml", profile / "examples.npz"):
                    with suppress(OSError):
                        known = file.stat()
                        seen.append((str(file), known.st_ino, known.st_size, known.st_mtime_ns))
    return frozenset(seen)
