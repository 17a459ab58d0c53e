"""The entities of a node: how it does, its rules, and the thresholds of its profiles."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.home_assistant.discovery.house import House, RuleName
from integrations.home_assistant.discovery.model import Entity
from integrations.home_assistant.discovery.options import QOS, in_words, on_if, slug, switch
from integrations.topics import Topics, topic_id

STATS_EXPIRE_S = 180
"""Three times the period in which a node tells of itself."""

_COUNTERS = {
    "events": "Sounds heard",
    "actions": "Actions",
    "clips": "Clips stored",
    "dropped_samples": "Dropped samples",
}
"""What a node counts, by its name among the node's figures."""


def entities_of_node(house: House) -> Iterator[Entity]:
    """Give the entities of the node's own device."""
    yield from _about_node(house.topics)
    for rule in house.rules:
        yield _rule_switch(house.topics, rule)
    for name in house.thresholds:
        yield _threshold(house.topics, name)


def _about_node(topics: Topics) -> Iterator[Entity]:
    yield Entity(
        platform="binary_sensor",
        key="connected",
        name="Connected",
        object_id=slug("heard", topics.node, "connected"),
        available_with=(),
        category="diagnostic",
        options={
            "device_class": "connectivity",
            "state_topic": topics.available,
            "value_template": on_if("value == 'online'"),
        },
    )
    yield Entity(
        platform="binary_sensor",
        key="rules_problem",
        name="Rule files",
        object_id=slug("heard", topics.node, "rules_problem"),
        available_with=(topics.available,),
        category="diagnostic",
        options={
            "device_class": "problem",
            "state_topic": topics.stats,
            "value_template": on_if("value_json.rules_fault"),
            "expire_after": STATS_EXPIRE_S,
        },
    )
    for key, name in _COUNTERS.items():
        yield Entity(
            platform="sensor",
            key=key,
            name=name,
            object_id=slug("heard", topics.node, key),
            available_with=(topics.available,),
            category="diagnostic",
            options={
                "state_topic": topics.stats,
                "value_template": f"{{{{ value_json.{key} }}}}",
                "state_class": "total_increasing",
                "expire_after": STATS_EXPIRE_S,
            },
        )


def _rule_switch(topics: Topics, rule: RuleName) -> Entity:
    return Entity(
        platform="switch",
        key=f"rule_{topic_id(rule.id)}",
        name=f"Rule {rule.alias or rule.id}",
        object_id=slug("heard", topics.node, "rule", rule.id),
        available_with=(topics.available,),
        category="config",
        options=switch(topics.rule_set(rule.id), topics.rule_state(rule.id)),
    )


def _threshold(topics: Topics, name: str) -> Entity:
    return Entity(
        platform="number",
        key=f"threshold_{topic_id(name)}",
        name=f"Threshold {in_words(name)}",
        object_id=slug("heard", topics.node, "threshold", name),
        available_with=(topics.available,),
        category="config",
        options={
            "command_topic": topics.threshold_set(name),
            "state_topic": topics.threshold_state(name),
            # The ends are refused by the node, but a threshold may lie as close to them as it likes.
            "min": 0,
            "max": 1,
            "step": 0.001,
            "mode": "box",
            "qos": QOS,
        },
    )
