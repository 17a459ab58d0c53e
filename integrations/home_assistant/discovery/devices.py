"""The devices that Home Assistant is to make of what a node has: the node, and each of its streams."""

from __future__ import annotations

from integrations.home_assistant.discovery.house import House
from integrations.home_assistant.discovery.model import Device
from integrations.home_assistant.discovery.of_node import entities_of_node
from integrations.home_assistant.discovery.of_stream import entities_of_stream
from integrations.topics import topic_id


def devices_of(house: House) -> tuple[Device, ...]:
    """Return the node's device and one for each stream, which is reached through it."""
    node = house.topics.node
    return (
        Device(
            id=house.installation,
            name=f"heard {node}",
            model="daemon",
            sw_version=house.sw_version,
            configuration_url=house.configuration_url,
            entities=tuple(entities_of_node(house)),
        ),
        *(
            Device(
                id=f"{house.installation}_{topic_id(ear.stream)}",
                name=f"heard {ear.stream}",
                model="stream",
                sw_version=house.sw_version,
                via=house.installation,
                entities=tuple(entities_of_stream(house.topics, ear)),
            )
            for ear in house.ears
        ),
    )
