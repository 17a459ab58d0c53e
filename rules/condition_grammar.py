"""The conditions of a rule file, and what each of them becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from foundation.wording import describe, did_you_mean
from rules.model import AllOf, AnyOf, NoneOf, TemplateCondition, TimeCondition, TriggerCondition
from rules.reading import kind_of, read_each
from rules.scope import read_template

if TYPE_CHECKING:
    from rules.model import Condition
    from rules.reading import Node
    from rules.scope import Scope

TIME_KEYS = ("condition", "after", "before", "weekday")
TEMPLATE_KEYS = ("condition", "value_template")
TRIGGER_KEYS = ("condition", "id")
GROUP_KEYS = ("condition", "conditions")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

GROUPS: dict[str, type[AllOf | AnyOf | NoneOf]] = {"and": AllOf, "or": AnyOf, "not": NoneOf}
CONDITIONS = ("time", "template", "trigger", *GROUPS)
LATER_CONDITIONS = ("mqtt", "state")


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
    if kind == "time":
        return _time(node)
    if kind == "trigger":
        return _trigger(node, scope)
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
