"""Asks Home Assistant, again and again, how the entities stand that rules name."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from daemon.logs import Changes
from foundation.backoff import Backoff
from foundation.errors import HeardError, RetryableError
from rules.facts import Confirmation, EntityState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from integrations.home_assistant.rest import HomeAssistant
    from rules.facts import Fact

CONFIRM_EVERY_S = 30.0
"""How often the rules are told that everything still is as it was."""
AT_ONCE = 8
"""Entities that are asked for side by side."""
BACKOFF_FIRST_S = 2.0
BACKOFF_MAX_S = 60.0

_log = logging.getLogger(__name__)


class HomeStates:
    """Tells `on_fact` of every change. `now` is the rules' clock."""

    def __init__(
        self,
        home: HomeAssistant,
        entities: Callable[[], Collection[str]],
        on_fact: Callable[[Fact], None],
        *,
        now: Callable[[], float],
        poll_s: float,
    ) -> None:
        self._home = home
        self._entities = entities
        self._on_fact = on_fact
        self._now = now
        self._poll_s = poll_s
        self._known: dict[str, object] = {}
        self._confirmed_s = -CONFIRM_EVERY_S
        self._changes = Changes(_log)
        self.fault: str | None = None
        """Why states are not known, in a line."""

    async def run(self) -> None:
        """Look until cancelled."""
        backoff = Backoff(first_s=BACKOFF_FIRST_S, most_s=BACKOFF_MAX_S, steady_after_s=BACKOFF_MAX_S)
        while True:
            began = time.monotonic()
            try:
                await self._look()
            except* HeardError as errors:
                error = errors.exceptions[0]
                while isinstance(error, BaseExceptionGroup):
                    error = error.exceptions[0]
                self.fault = str(error)
                self._changes.note("Home Assistant", f"no states: {error}")
                retry = isinstance(error, RetryableError)
                wait_s = max(self._poll_s, backoff.after(0.0)) if retry else BACKOFF_MAX_S
            else:
                backoff.after(BACKOFF_MAX_S * 2)
                self.fault, wait_s = None, self._poll_s
                self._changes.note("Home Assistant", "states are known", level=logging.INFO)
            await asyncio.sleep(max(0.0, wait_s - (time.monotonic() - began)))

    async def _look(self) -> None:
        wanted = self._entities()
        for gone in self._known.keys() - set(wanted):
            del self._known[gone]
        if not wanted:
            return
        limit = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for entity_id in sorted(wanted):
                group.create_task(self._ask(entity_id, limit))
        if time.monotonic() - self._confirmed_s >= CONFIRM_EVERY_S:
            self._confirmed_s = time.monotonic()
            self._on_fact(Confirmation(at=self._now()))

    async def _ask(self, entity_id: str, limit: asyncio.Semaphore) -> None:
        async with limit:
            found = await self._home.state(entity_id)
        # Home Assistant's own word for what is not there.
        state, attributes = found or ("unavailable", {})
        if self._known.get(entity_id) != (state, attributes):
            self._known[entity_id] = (state, attributes)
            self._on_fact(
                EntityState(entity_id=entity_id, state=state, attributes=attributes, at=self._now())
            )
