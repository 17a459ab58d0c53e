"""Tells Home Assistant of the devices there are, and takes away what is there no more, without a trace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from foundation.errors import ActionError
from integrations.home_assistant.discovery.dialects import MIGRATE, Told
from integrations.home_assistant.discovery.memory import Kept, Memory

if TYPE_CHECKING:
    from integrations.mqtt import MqttLink


class DiscoveryPublisher:
    """Everything told is retained. What a broker may keep is remembered before it is said there.

    Whatever needs several messages in their order (taking an entity away from a device, changing the dialect)
    is done by `run`; `show` never waits, and what it tells goes out before any event that follows.
    """

    def __init__(self, link: MqttLink, memory: Memory) -> None:
        self._link = link
        self._memory = memory
        self._wanted = Kept()
        self._chores: dict[str, str] = {}
        self._shown = asyncio.Event()

    def show(self, told: Mapping[str, Told], *, states: frozenset[str]) -> None:
        """Let Home Assistant know what `told` says, by topic, and nothing else any more.

        `states` are the retained topics of everything that there is; those that were among them before and
        are so no longer, are taken away.
        """
        before = self._memory.kept
        self._wanted = Kept(told={topic: each.components for topic, each in told.items()}, states=states)
        self._memory.keep(before.and_also(self._wanted))
        for topic in before.topics - self._wanted.topics:
            if topic in before.told and _moves(topic, before.told[topic], told):
                self._link.set_state(topic, _written(MIGRATE))
                self._chores[topic] = ""
            else:
                self._link.set_state(topic, "", at_rest="")
        for topic, each in told.items():
            self._chores.pop(topic, None)
            self._link.set_state(topic, _written(each.payload))
            lost = _lost(before.told.get(topic, {}), each.components)
            if lost:
                self._chores[topic] = _written(each.taking_away(lost))
        self._shown.set()

    async def introduce(self) -> None:
        """Tell everything again: Home Assistant may have missed it."""
        self._link.resay_states(self._wanted.told)

    async def run(self) -> None:
        """Do what takes several messages, until cancelled."""
        while True:
            await self._shown.wait()
            self._shown.clear()
            while self._chores:
                topic, payload = next(iter(self._chores.items()))
                await self._say(topic, payload)
                if self._chores.get(topic) == payload:
                    del self._chores[topic]
            await self._forget()

    async def _forget(self) -> None:
        """Forget what is gone, once the broker has been told."""
        wanted = self._wanted
        for topic in sorted(self._memory.kept.topics - wanted.topics):
            await self._say(topic, "")
        if self._wanted is wanted and not self._chores:
            self._memory.keep(wanted)

    async def _say(self, topic: str, payload: str) -> None:
        """Say something in passing; then again what is to stay there, if anything is."""
        with suppress(
            ActionError
        ):  # a broker that refuses the topic has been logged, and keeps nothing there
            await self._link.deliver(topic, payload, retain=True)
        if topic in self._wanted.topics:
            self._link.resay_states([topic])
        else:
            self._link.set_state(topic, "", at_rest="")


def _moves(topic: str, components: Mapping[str, str], told: Mapping[str, Told]) -> bool:
    """Tell whether everything that `topic` told of is now told of in the other dialect.

    If not, Home Assistant must not be said to wait for it: what nobody tells of any more would stay there.
    """
    other = {at: each for at, each in told.items() if bool(each.components) != bool(components)}
    now = {entity for at, each in other.items() for entity in _entities(at, each.components)}
    return bool(other) and now >= _entities(topic, components)


def _entities(topic: str, components: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return device and key of each entity that is told of at `topic`, as its levels say."""
    *_, device, last, _ = topic.split("/")
    return {(last, key) for key in components} if components else {(device, last)}


def _lost(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    return {key: platform for key, platform in before.items() if key not in now}


def _written(payload: Mapping[str, Any]) -> str:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
