"""What is said again when Home Assistant, restarted, has nothing yet: its own message says when."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from integrations.mqtt import MqttLink
    from integrations.mqtt_listening import Said

STATUS_TOPIC = "homeassistant/status"
BORN = b"online"

SOONEST_S = 1.0
LATEST_S = 5.0
"""Everybody in the house is asked at once: whoever answers waits a random while between these."""


class HomeAssistantBirth:
    """Waits for Home Assistant's birth message; then calls `introduce`, and has every state said again.

    `introduce` returns when the broker has what Home Assistant must know before the states.
    """

    def __init__(
        self,
        link: MqttLink,
        introduce: Callable[[], Awaitable[None]],
        *,
        topic: str = STATUS_TOPIC,
        soonest_s: float = SOONEST_S,
        latest_s: float = LATEST_S,
    ) -> None:
        self._link = link
        self._introduce = introduce
        self._between_s = (soonest_s, latest_s)
        self._born = asyncio.Event()
        link.listen(topic, self._on_said)

    async def run(self) -> None:
        """Answer every birth, until cancelled; those that come while one waits are one."""
        while True:
            await self._born.wait()
            await asyncio.sleep(random.uniform(*self._between_s))  # noqa: S311 - no secret
            self._born.clear()
            await self._introduce()
            self._link.resay_states()

    def _on_said(self, said: Said) -> None:
        # A kept one is from before this connection, which has said everything already.
        if said.payload == BORN and not said.retained:
            self._born.set()
