"""What rules name of other systems: topics and payloads of MQTT, entities and states of Home Assistant."""

from __future__ import annotations

from collections.abc import Mapping

from foundation.wording import describe, did_you_mean
from rules.reading import Node, read_each
from rules.scope import Scope, read_template
from rules.template import Template
from rules.template_check import ENTITY

MAX_TOPIC_BYTES = 65_535
VALUE_NAMES = frozenset({"value", "value_json"})
"""What a `value_template` names the payload by."""

_UNQUOTED = {True: ("on", "true", "yes"), False: ("off", "false", "no")}


def read_topic(node: Node, keys: Mapping[str, Node], *, wildcards: bool) -> str | None:
    """Read the topic that a trigger or a condition is about."""
    if "topic" not in keys:
        node.refuse("'topic' is missing: where it is said")
        return None
    place = keys["topic"]
    topic = place.text()
    if topic is None:
        return None
    if "\0" in topic or len(topic.encode("utf-8", "surrogatepass")) > MAX_TOPIC_BYTES:
        place.refuse(f"a topic has no NUL character and at most {MAX_TOPIC_BYTES} bytes")
        return None
    levels = topic.split("/")
    wild = any(level in {"+", "#"} for level in levels)
    if "#" in levels[:-1] or any(len(level) > 1 and set(level) & {"+", "#"} for level in levels):
        place.refuse("+ stands for one whole level of a topic, # for all that are left, at the end only")
    elif wild and not wildcards:
        place.refuse("a condition is about one topic, without wildcards (+ or #)")
    return topic


def read_payload_text(node: Node) -> str | None:
    """Read a payload to compare with. A number is what it looks like; a boolean is refused."""
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return str(node.value)
    if node.value == "":
        return ""
    return node.text()


def read_value_template(keys: Mapping[str, Node], scope: Scope) -> Template | None:
    """Read what is compared in place of a payload."""
    if "value_template" not in keys:
        return None
    node = keys["value_template"]
    text = node.text()
    template = None if text is None else read_template(node, text, scope, also=VALUE_NAMES)
    if template is not None and "{" not in template.source:
        node.refuse(f'expected a template such as "{{{{ value_json.state }}}}", found {describe(text)}')
        return None
    return template


def read_entities(node: Node, keys: Mapping[str, Node]) -> tuple[str, ...]:
    """Read which entities of Home Assistant are meant."""
    if "entity_id" not in keys:
        node.refuse("'entity_id' is missing: which entity of Home Assistant")
    return read_each(keys.get("entity_id"), _entity, at_least_one="entity")


def read_state(node: Node) -> str | None:
    """Read a state, which is text in Home Assistant."""
    if isinstance(node.value, bool):
        words = " or ".join(f'"{word}"' for word in _UNQUOTED[node.value])
        node.refuse(f"a state is text: YAML reads this word as a boolean, put {words} in quotes")
        return None
    if isinstance(node.value, int | float):
        return str(node.value)
    return node.text()


def _entity(node: Node) -> str | None:
    name = node.text()
    if name is None or ENTITY.fullmatch(name):
        return name
    meant = name.strip().lower().replace(" ", "_")
    close = did_you_mean(name, [meant]) if ENTITY.fullmatch(meant) else ""
    node.refuse(f"expected the id of an entity such as 'light.desk', found {describe(name)}{close}")
    return None
