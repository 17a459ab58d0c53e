"""Home Assistant's birth message, through a real broker."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiomqtt

from integrations.home_assistant.birth import STATUS_TOPIC, HomeAssistantBirth
from tests.integrations.test_mqtt import link_to, listening, until

if TYPE_CHECKING:
    from benchmarks.broker import Mosquitto


async def test_a_birth_is_answered_once_with_the_introduction_first(mosquitto: Mosquitto) -> None:
    """Two births in a row are one; the states follow; what the broker had kept from before is none."""
    introduced: list[int] = []
    async with aiomqtt.Client(mosquitto.host, mosquitto.port) as home:
        await home.publish(STATUS_TOPIC, "online", qos=1, retain=True)
        async with link_to(mosquitto) as link, listening(mosquitto) as listener:

            async def introduce() -> None:
                introduced.append(len(listener.payloads("a/state")))
                await link.deliver("homeassistant/x/config", "{}", retain=True)

            birth = HomeAssistantBirth(link, introduce, soonest_s=0.05, latest_s=0.1)
            answering = asyncio.create_task(birth.run())
            link.set_state("a/state", "ON")
            await listener.until_payload("a/state", "ON")
            await until(lambda: link.connected)
            await home.publish(STATUS_TOPIC, "offline", qos=1)
            await home.publish(STATUS_TOPIC, "online", qos=1)
            await home.publish(STATUS_TOPIC, "online", qos=1)
            await listener.until(lambda _: len(listener.payloads("a/state")) == 2)
            topics = [topic for topic, _, _ in listener.messages]
            assert topics.index("homeassistant/x/config") < len(topics) - 1 - topics[::-1].index("a/state")
            await asyncio.sleep(0.2)
            answering.cancel()
            await asyncio.wait({answering})
    assert introduced == [1]
