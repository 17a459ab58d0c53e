"""The actions of a rule file, and what each of them becomes."""

from __future__ import annotations

import math
from typing import Any

from foundation.wording import describe, did_you_mean
from rules.model import MQTT_PUBLISH, SAVE_CLIP, Action, Delay, PublishMqtt, SaveClip
from rules.reading import Node, read_key
from rules.template import Template, TemplateFault, compile_template

MQTT_KEYS = ("topic", "payload", "qos", "retain")
MAX_TOPIC_BYTES = 65_535

_LATER_STEPS = ("if", "choose", "stop", "repeat", "parallel", "sequence", "wait_template", "variables")
_STEPS = f"{SAVE_CLIP}, {MQTT_PUBLISH} and delay"


def read_action(node: Node) -> Action | None:
    """Make an action of one step; None where it was refused."""
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
    qos = read_key(keys, "qos", lambda item: item.whole(0, 2), 0)
    retain = read_key(keys, "retain", Node.flag, default=False)
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
