"""The words of a rule file, and what each becomes. What is not known is refused, never passed over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from detectors.types import Phase
from foundation.wording import describe, did_you_mean
from rules.action_grammar import read_action
from rules.model import Action, Rule, SoundTrigger, TimeCondition
from rules.reading import Node, read_each, read_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

RULE_KEYS = ("id", "alias", "description", "enabled", "triggers", "conditions", "actions", "cooldown")
TRIGGER_KEYS = ("trigger", "profile", "stream", "above", "for", "count", "within", "phase")
TIME_KEYS = ("condition", "after", "before", "weekday")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_COUNT = 100
MAX_NAME = 100

_LATER_TRIGGERS = ("sequence", "silence", "mqtt", "time")
_LATER_CONDITIONS = ("mqtt", "state", "template", "and", "or", "not")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What there is to listen for, and where. None: not to be checked."""

    profiles: Collection[str] | None = None
    streams: Collection[str] | None = None


def read_rule(node: Node, names: Names) -> Rule | None:
    """Make a rule of a mapping; None where anything in it was refused."""
    before = len(node.problems)
    keys = node.entries(
        RULE_KEYS,
        also={"trigger": "triggers", "condition": "conditions", "action": "actions"},
        refused={"mode": f"'mode' is not supported yet; supported: {', '.join(RULE_KEYS)}"},
    )
    if keys is None:
        return None
    for required, purpose in (
        ("id", "a name of its own"),
        ("triggers", "what it listens for"),
        ("actions", "what follows"),
    ):
        if required not in keys:
            node.refuse(f"{required!r} is missing: every rule needs {purpose}")
    rule_id = read_key(keys, "id", _name, "")
    alias = read_key(keys, "alias", Node.text, "")
    description = read_key(keys, "description", Node.text, "")
    enabled = read_key(keys, "enabled", Node.flag, default=True)
    cooldown_s = read_key(keys, "cooldown", Node.seconds, 0.0)
    triggers = read_each(keys.get("triggers"), lambda item: _trigger(item, names), at_least_one="trigger")
    conditions = read_each(keys.get("conditions"), _condition)
    actions: tuple[Action, ...] = read_each(keys.get("actions"), read_action, at_least_one="action")
    if len(node.problems) > before:
        return None
    return Rule(
        id=rule_id,
        alias=alias,
        description=description,
        enabled=enabled,
        triggers=triggers,
        conditions=conditions,
        actions=actions,
        cooldown_s=cooldown_s,
    )


def _name(node: Node) -> str | None:
    name = node.text()
    if name is not None and (len(name) > MAX_NAME or not name.isprintable()):
        node.refuse(f"expected a name of at most {MAX_NAME} printable characters, found {describe(name)}")
        return None
    return name


# --- triggers ---------------------------------------------------------------------------------------------


def _trigger(node: Node, names: Names) -> SoundTrigger | None:
    if not _is_kind(node, "trigger", ("sound",), _LATER_TRIGGERS, old_key="platform"):
        return None
    keys = node.entries(TRIGGER_KEYS, also={"profiles": "profile", "streams": "stream"})
    assert keys is not None
    if "profile" not in keys:
        node.refuse("'profile' is missing: which sound to listen for")
    profiles = read_each(keys.get("profile"), lambda item: _profile(item, names), at_least_one="profile")
    streams = read_each(
        keys.get("stream"),
        lambda item: _known_name(item, "stream", names.streams),
        at_least_one="stream (leave the key out for every stream)",
    )
    above = keys["above"].number(0, 1) if "above" in keys else None
    count = read_key(keys, "count", lambda item: item.whole(1, MAX_COUNT), 1)
    within_s = keys["within"].seconds() if "within" in keys else None
    _check_repetition(keys, count, within_s)
    return SoundTrigger(
        profiles=profiles,
        streams=streams,
        above=above,
        phase=Phase(read_key(keys, "phase", lambda item: item.choice(("started", "ended")), "started")),
        for_s=read_key(keys, "for", Node.seconds, 0.0),
        count=count,
        within_s=within_s,
    )


def _check_repetition(keys: Mapping[str, Node], count: int, within_s: float | None) -> None:
    if "count" in keys and count > 1 and "within" not in keys:
        keys["count"].refuse("'count' needs 'within': how close together the sounds must be", key=True)
    if "within" in keys and count == 1:
        keys["within"].refuse("'within' needs 'count': how many sounds there must be, 2 or more", key=True)
    elif within_s == 0:
        keys["within"].refuse("expected a duration longer than nothing")


def _profile(node: Node, names: Names) -> str | None:
    if isinstance(node.value, str) and node.value.startswith("tag:"):
        node.refuse("tags of profiles are not supported yet: name the profiles")
        return None
    return _known_name(node, "profile", names.profiles)


def _known_name(node: Node, kind: str, known: Collection[str] | None) -> str | None:
    name = node.text()
    if name is not None and known is not None and name not in known:
        node.refuse(f"there is no {kind} {name!r}{did_you_mean(name, known)}")
        return None
    return name


# --- conditions -------------------------------------------------------------------------------------------


def _condition(node: Node) -> TimeCondition | None:
    if not _is_kind(node, "condition", ("time",), _LATER_CONDITIONS):
        return None
    keys = node.entries(TIME_KEYS, also={"weekdays": "weekday"})
    assert keys is not None
    if not keys.keys() - {"condition"}:
        node.refuse("the condition 'time' needs 'after', 'before' or 'weekday'")
    after = keys["after"].clock() if "after" in keys else None
    before = keys["before"].clock() if "before" in keys else None
    if after is not None and after == before:
        keys["before"].refuse("'after' and 'before' are the same time: the condition would say nothing")
    weekdays = read_each(keys.get("weekday"), _weekday, at_least_one="weekday")
    return TimeCondition(after=after, before=before, weekdays=frozenset(weekdays))


def _weekday(node: Node) -> int | None:
    day = node.choice(WEEKDAYS)
    return None if day is None else WEEKDAYS.index(day)


def _is_kind(
    node: Node, key: str, known: tuple[str, ...], planned: tuple[str, ...], *, old_key: str | None = None
) -> bool:
    """Check that a mapping says with `key` which kind it is, and that the kind is known."""
    if not isinstance(node.value, dict):
        node.refuse(f"expected a mapping such as {{{key}: {known[0]}, …}}, found {describe(node.value)}")
        return False
    if key in node.value:
        return node.child(key, node.value[key]).choice(known, planned=planned) is not None
    if old_key is not None and old_key in node.value:
        node.child(old_key, None).refuse(f"unknown key {old_key!r}; did you mean {key!r}?", key=True)
    else:
        node.refuse(f"{key!r} is missing: supported: {', '.join(known)}")
    return False
