"""The words of a rule file, and what each becomes. What is not known is refused, never passed over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from detectors.types import Phase
from foundation.wording import describe, did_you_mean
from rules.model import (
    MQTT_PUBLISH,
    SAVE_CLIP,
    Action,
    Delay,
    PublishMqtt,
    Rule,
    SaveClip,
    SoundTrigger,
    TimeCondition,
)
from rules.reading import Node
from rules.template import Template, TemplateFault, compile_template

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

RULE_KEYS = ("id", "alias", "description", "enabled", "triggers", "conditions", "actions", "cooldown")
TRIGGER_KEYS = ("trigger", "profile", "stream", "above", "for", "count", "within", "phase")
TIME_KEYS = ("condition", "after", "before", "weekday")
MQTT_KEYS = ("topic", "payload", "qos", "retain")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_COUNT = 100
MAX_NAME = 100
MAX_TOPIC_BYTES = 65_535

_LATER_TRIGGERS = ("sequence", "silence", "mqtt", "time")
_LATER_CONDITIONS = ("mqtt", "state", "template", "and", "or", "not")
_LATER_STEPS = ("if", "choose", "stop", "repeat", "parallel", "sequence", "wait_template", "variables")
_STEPS = f"{SAVE_CLIP}, {MQTT_PUBLISH} and delay"

_T = TypeVar("_T")


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
    rule_id = _read(keys, "id", _name, "")
    alias = _read(keys, "alias", Node.text, "")
    description = _read(keys, "description", Node.text, "")
    enabled = _read(keys, "enabled", Node.flag, default=True)
    cooldown_s = _read(keys, "cooldown", Node.seconds, 0.0)
    triggers = _each(keys.get("triggers"), lambda item: _trigger(item, names), at_least_one="trigger")
    conditions = _each(keys.get("conditions"), _condition)
    actions: tuple[Action, ...] = _each(keys.get("actions"), _action, at_least_one="action")
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


def _read(keys: Mapping[str, Node], name: str, reader: Callable[[Node], _T | None], default: _T) -> _T:
    """Read a key that may be absent. A refused value becomes the default: the problem is noted already."""
    if name not in keys:
        return default
    value = reader(keys[name])
    return default if value is None else value


def _each(
    node: Node | None, reader: Callable[[Node], _T | None], *, at_least_one: str | None = None
) -> tuple[_T, ...]:
    if node is None:
        return ()
    if node.value in (None, []):
        if at_least_one is not None:
            node.refuse(f"expected at least one {at_least_one}, found {describe(node.value)}")
        return ()
    return tuple(value for item in node.items() if (value := reader(item)) is not None)


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
    profiles = _each(keys.get("profile"), lambda item: _profile(item, names), at_least_one="profile")
    streams = _each(
        keys.get("stream"),
        lambda item: _known_name(item, "stream", names.streams),
        at_least_one="stream (leave the key out for every stream)",
    )
    above = keys["above"].number(0, 1) if "above" in keys else None
    count = _read(keys, "count", lambda item: item.whole(1, MAX_COUNT), 1)
    within_s = keys["within"].seconds() if "within" in keys else None
    _check_repetition(keys, count, within_s)
    return SoundTrigger(
        profiles=profiles,
        streams=streams,
        above=above,
        phase=Phase(_read(keys, "phase", lambda item: item.choice(("started", "ended")), "started")),
        for_s=_read(keys, "for", Node.seconds, 0.0),
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
    weekdays = _each(keys.get("weekday"), _weekday, at_least_one="weekday")
    return TimeCondition(after=after, before=before, weekdays=frozenset(weekdays))


def _weekday(node: Node) -> int | None:
    day = node.choice(WEEKDAYS)
    return None if day is None else WEEKDAYS.index(day)


# --- actions ----------------------------------------------------------------------------------------------


def _action(node: Node) -> Action | None:
    step = node.value
    if not isinstance(step, dict):
        node.refuse(f"expected an action such as {{action: {SAVE_CLIP}}}, found {describe(step)}")
        return None
    if "delay" in step:
        keys = node.entries(("delay",)) or {}
        delay_s = keys["delay"].seconds()
        return None if delay_s is None else Delay(delay_s=delay_s)
    if "action" not in step:
        _refuse_step(node)
        return None
    name = _action_name(node.child("action", step["action"]))
    if name is None:
        return None
    misplaced = {key: f"{key!r} belongs under 'data'" for key in MQTT_KEYS if name == MQTT_PUBLISH}
    keys = node.entries(("action", "data"), refused=misplaced) or {}
    return _publish(node, keys.get("data")) if name == MQTT_PUBLISH else _save_clip(keys.get("data"))


def _action_name(node: Node) -> str | None:
    name = node.text()
    if name in {None, MQTT_PUBLISH, SAVE_CLIP}:
        return name
    meant = did_you_mean(name, (MQTT_PUBLISH, SAVE_CLIP))
    if name == "delay":
        node.refuse('a delay is written on its own: - delay: "00:00:30"')
    elif "did you mean" in meant:
        node.refuse(f"unknown action {name!r}{meant}")
    else:
        node.refuse(f"the action {name!r} is not supported yet; supported: {_STEPS}")
    return None


def _refuse_step(node: Node) -> None:
    """Say what is wrong with a step that has neither `action` nor `delay`."""
    for key in node.value:
        child = node.child(key, None)
        if key in _LATER_STEPS:
            child.refuse(f"{key!r} is not supported yet; supported: {_STEPS}", key=True)
            return
        if key == "service":
            child.refuse("unknown key 'service'; did you mean 'action'?", key=True)
            return
    known = did_you_mean(next(iter(node.value), ""), ("action", "delay"))
    meant = known if "did you mean" in known else ""
    node.refuse(f"'action' is missing: supported are {_STEPS}{meant}")


def _save_clip(data: Node | None) -> SaveClip:
    if data is not None and data.value not in (None, {}):
        data.refuse(f"{SAVE_CLIP} takes no data", key=True)
    return SaveClip()


def _publish(node: Node, data: Node | None) -> PublishMqtt | None:
    if data is None:
        node.refuse(f"'data' is missing: {MQTT_PUBLISH} needs a topic and a payload")
        return None
    keys = data.entries(MQTT_KEYS)
    if keys is None:
        return None
    if "topic" not in keys:
        data.refuse("'topic' is missing: where to publish")
        return None
    topic = _topic(keys["topic"])
    payload = _payload(keys["payload"]) if "payload" in keys else ""
    qos = _read(keys, "qos", lambda item: item.whole(0, 2), 0)
    retain = _read(keys, "retain", Node.flag, default=False)
    return None if topic is None else PublishMqtt(topic=topic, payload=payload, qos=qos, retain=retain)


def _topic(node: Node) -> Template | None:
    text = node.text()
    template = None if text is None else _template(node, text)
    if text is None or template is None or "{" in text:
        return template
    if "+" in text or "#" in text:
        node.refuse("a topic to publish to has no wildcards (+ or #)")
    elif "\0" in text or len(text.encode()) > MAX_TOPIC_BYTES:
        node.refuse(f"a topic has no NUL character and at most {MAX_TOPIC_BYTES} bytes")
    return template


def _payload(node: Node) -> Any:
    match node.value:
        case bool():
            node.text()
            return None
        case None:
            return ""
        case int() | float():
            return _template(node, str(node.value))
        case str():
            return _template(node, node.value)
    return _json(node)


def _json(node: Node) -> Any:
    """Read what is sent as JSON: every text in it is a template."""
    match node.value:
        case dict():
            return {key: _json(node.child(key, value)) for key, value in node.value.items()}
        case list():
            return [_json(item) for item in node.items()]
        case str():
            return _template(node, node.value)
        case float() if not math.isfinite(node.value):
            node.refuse(f"JSON has no such number, found {describe(node.value)}")
    return node.value


def _template(node: Node, text: str) -> Template | None:
    try:
        return compile_template(text)
    except TemplateFault as fault:
        node.refuse(str(fault))
        return None


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
