"""The conditions of a rule file, and what each of them becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.wording import describe, did_you_mean
from rules.model import (
    AllOf,
    AnyOf,
    MqttCondition,
    NoneOf,
    StateCondition,
    TemplateCondition,
    TimeCondition,
    TriggerCondition,
)
from rules.outside_grammar import (
    read_entities,
    read_payload_text,
    read_state,
    read_topic,
    read_value_template,
)
from rules.reading import Node, kind_of, read_each, read_key
from rules.scope import read_template

if TYPE_CHECKING:
    from rules.model import Condition
    from rules.scope import Scope

TIME_KEYS = ("condition", "after", "before", "weekday")
TEMPLATE_KEYS = ("condition", "value_template")
TRIGGER_KEYS = ("condition", "id")
MQTT_KEYS = ("condition", "topic", "is", "value_template", "max_age")
STATE_KEYS = ("condition", "entity_id", "state", "attribute", "for", "max_age")
MAX_AGE_S = 120.0
"""How old the last word about an entity may be where the rule does not say."""
GROUP_KEYS = ("condition", "conditions")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

GROUPS: dict[str, type[AllOf | AnyOf | NoneOf]] = {"and": AllOf, "or": AnyOf, "not": NoneOf}
CONDITIONS = ("time", "mqtt", "state", "template", "trigger", *GROUPS)
LATER_CONDITIONS = ("numeric_state", "sun", "zone", "device")


def read_condition(node: Node, scope: Scope) -> Condition | None:
    """Make a condition; None where it was refused. Templates, and, or, not may stand by themselves."""
    if isinstance(node.value, str) and "{" in node.value:
        return _template(node, scope)
    if isinstance(node.value, dict) and "condition" not in node.value:
        shorthand = next((key for key in node.value if key in GROUPS), None)
        if shorthand is not None:
            keys = node.entries((shorthand,)) or {}
            return _group(shorthand, keys.get(shorthand), scope)
    kind = kind_of(node, "condition", CONDITIONS, LATER_CONDITIONS)
    return None if kind is None else _of_kind(kind, node, scope)


def _of_kind(kind: str, node: Node, scope: Scope) -> Condition | None:
    match kind:
        case "time":
            return _time(node)
        case "trigger":
            return _trigger(node, scope)
        case "mqtt":
            return _mqtt(node, scope)
        case "state":
            return _state(node)
    known, needed = (TEMPLATE_KEYS, "value_template") if kind == "template" else (GROUP_KEYS, "conditions")
    keys = node.entries(known) or {}
    if needed not in keys:
        node.refuse(f"{needed!r} is missing: what {kind!r} is about")
        return None
    return _template(keys[needed], scope) if kind == "template" else _group(kind, keys[needed], scope)


def read_weekdays(node: Node | None) -> frozenset[int]:
    """Read days of the week, 0 is Monday; empty where none are named."""
    return frozenset(read_each(node, _weekday, at_least_one="weekday"))


def _weekday(node: Node) -> int | None:
    day = node.choice(WEEKDAYS)
    return None if day is None else WEEKDAYS.index(day)


def _time(node: Node) -> TimeCondition:
    keys = node.entries(TIME_KEYS, also={"weekdays": "weekday"}) or {}
    if not keys.keys() - {"condition"}:
        node.refuse("the condition 'time' needs 'after', 'before' or 'weekday'")
    after = keys["after"].clock() if "after" in keys else None
    before = keys["before"].clock() if "before" in keys else None
    if after is not None and after == before:
        keys["before"].refuse("'after' and 'before' are the same time: the condition would say nothing")
    return TimeCondition(after=after, before=before, weekdays=read_weekdays(keys.get("weekday")))


def _mqtt(node: Node, scope: Scope) -> MqttCondition | None:
    keys = node.entries(MQTT_KEYS) or {}
    topic = read_topic(node, keys, wildcards=False)
    if not keys.keys() & {"is", "value_template"}:
        node.refuse("the condition 'mqtt' needs 'is' or 'value_template': what must have been said")
    payloads = read_each(keys.get("is"), read_payload_text, at_least_one="payload")
    template = read_value_template(keys, scope)
    if topic is None:
        return None
    return MqttCondition(
        topic=topic,
        payloads=payloads,
        template=template,
        max_age_s=keys["max_age"].seconds() if "max_age" in keys else None,
    )


def _state(node: Node) -> StateCondition:
    keys = node.entries(STATE_KEYS, also={"entity_ids": "entity_id", "states": "state"}) or {}
    if "state" not in keys:
        node.refuse("'state' is missing: which state it must be in")
    return StateCondition(
        entities=read_entities(node, keys),
        states=read_each(keys.get("state"), read_state, at_least_one="state"),
        attribute=read_key(keys, "attribute", Node.text, ""),
        for_s=read_key(keys, "for", Node.seconds, 0.0),
        max_age_s=read_key(keys, "max_age", Node.seconds, MAX_AGE_S),
    )


def _template(node: Node, scope: Scope) -> TemplateCondition | None:
    text = node.text()
    template = None if text is None else read_template(node, text, scope)
    if template is not None and "{" not in template.source:
        node.refuse(f'expected a template such as "{{{{ trigger.score > 0.9 }}}}", found {describe(text)}')
        return None
    return None if template is None else TemplateCondition(template=template)


def _trigger(node: Node, scope: Scope) -> TriggerCondition:
    keys = node.entries(TRIGGER_KEYS, also={"ids": "id"}) or {}
    if "id" not in keys:
        node.refuse("'id' is missing: which of the rule's triggers")
    return TriggerCondition(
        ids=read_each(keys.get("id"), lambda item: _trigger_id(item, scope), at_least_one="id of a trigger")
    )


def _trigger_id(node: Node, scope: Scope) -> str | None:
    name = node.text()
    if name is None or name in scope.trigger_ids:
        return name
    node.refuse(f"no trigger of this rule has the id {name!r}{did_you_mean(name, scope.trigger_ids)}")
    return None


def _group(kind: str, node: Node | None, scope: Scope) -> Condition:
    inner: tuple[Condition, ...] = read_each(
        node, lambda item: read_condition(item, scope), at_least_one="condition"
    )
    return GROUPS[kind](conditions=inner)
