"""The words of a rule file, and what each becomes. What is not known is refused, never passed over."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from foundation.yaml_document import YamlDocument
from rules.action_grammar import read_actions
from rules.condition_grammar import read_condition
from rules.data_grammar import read_variables
from rules.model import MAX_RUNS, Mode, Rule, SoundTrigger
from rules.reading import Node, read_each, read_key
from rules.scope import read_name
from rules.trigger_grammar import read_trigger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.model import Trigger
    from rules.scope import Scope

RULE_KEYS = (
    "id", "alias", "description", "enabled", "variables", "triggers", "conditions", "actions", "mode", "max",
    "cooldown", "keep_firing_for",
)  # fmt: skip
SINGULAR = {"trigger": "triggers", "condition": "conditions", "action": "actions"}


_NOTHING: frozenset[str] = frozenset()


def read_rule(node: Node, scope: Scope) -> Rule | None:
    """Make a rule of a mapping; None where anything in it was refused."""
    before = len(node.problems)
    keys = node.entries(RULE_KEYS, also=SINGULAR)
    if keys is None:
        return None
    for required, purpose in (
        ("id", "a name of its own"),
        ("triggers", "what it listens for"),
        ("actions", "what follows"),
    ):
        if required not in keys:
            node.refuse(f"{required!r} is missing: every rule needs {purpose}")
    triggers: tuple[Trigger, ...] = read_each(
        keys.get("triggers"), lambda item: read_trigger(item, scope), at_least_one="trigger"
    )
    scope = replace(
        scope,
        trigger_ids=tuple(trigger.id for trigger in triggers if trigger.id),
        variables=frozenset(_variable_names(node.value)) if scope.variables_possible else _NOTHING,
    )
    rule = Rule(
        id=read_key(keys, "id", read_name, ""),
        alias=read_key(keys, "alias", Node.text, ""),
        description=read_key(keys, "description", Node.text, ""),
        enabled=read_key(keys, "enabled", Node.flag, default=True),
        variables=read_variables(keys["variables"], scope) if "variables" in keys else {},
        triggers=triggers,
        conditions=read_each(keys.get("conditions"), lambda item: read_condition(item, scope)),
        actions=read_actions(keys.get("actions"), scope),
        mode=Mode(
            read_key(keys, "mode", lambda item: item.choice([mode.value for mode in Mode]), "parallel")
        ),
        max_runs=read_key(keys, "max", lambda item: item.whole(2, 1_000), MAX_RUNS),
        cooldown_s=read_key(keys, "cooldown", Node.seconds, 0.0),
        keep_firing_for_s=read_key(keys, "keep_firing_for", Node.seconds, 0.0),
    )
    if "max" in keys and rule.mode in {Mode.SINGLE, Mode.RESTART}:
        keys["max"].refuse(
            f"'max' is for the modes queued and parallel, and the mode is {rule.mode}", key=True
        )
    if len(node.problems) > before:
        return None
    _warn_of_shadows(keys["triggers"], triggers)
    return rule


def _variable_names(value: object) -> Iterator[str]:
    """Give every name that anything in the rule sets, here or behind an include."""
    if isinstance(value, YamlDocument):
        yield from _variable_names(value.data)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key == "variables":
                names = inner.data if isinstance(inner, YamlDocument) else inner
                yield from names if isinstance(names, dict) else ()
            yield from _variable_names(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _variable_names(item)


def _warn_of_shadows(node: Node, triggers: tuple[Trigger, ...]) -> None:
    """Say where a trigger adds nothing: whatever it fires for, an earlier or later one fires for as well."""
    for place, (item, trigger) in enumerate(zip(node.items(), triggers, strict=True)):
        for other_place, other in enumerate(triggers):
            if (
                place != other_place
                and _covers(other, trigger)
                and not (_covers(trigger, other) and place < other_place)
            ):
                item.warn(
                    f"never by itself: trigger {other_place + 1} fires for everything that this one does"
                )
                break


def _covers(wide: Trigger, narrow: Trigger) -> bool:
    if wide.id != narrow.id:
        return False
    if not (isinstance(wide, SoundTrigger) and isinstance(narrow, SoundTrigger)):
        return wide == narrow
    same: list[Any] = [wide.phase, wide.for_s, wide.count, wide.within_s]
    return (
        same == [narrow.phase, narrow.for_s, narrow.count, narrow.within_s]
        and set(narrow.profiles) <= set(wide.profiles)
        and (not wide.streams or (bool(narrow.streams) and set(narrow.streams) <= set(wide.streams)))
        and (wide.above is None or (narrow.above is not None and narrow.above >= wide.above))
        and (wide.below is None or (narrow.below is not None and narrow.below <= wide.below))
    )
