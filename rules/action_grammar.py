"""The actions of a rule file, and what each of them becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from foundation.wording import describe, did_you_mean
from rules.condition_grammar import read_condition
from rules.data_grammar import read_json, read_variables
from rules.model import (
    MQTT_PUBLISH,
    SAVE_CLIP,
    Action,
    Check,
    Choose,
    Delay,
    Option,
    Parallel,
    PublishMqtt,
    Repeat,
    SaveClip,
    SetVariables,
    Stop,
)
from rules.program import MAX_ROUNDS
from rules.reading import Node, read_each, read_key
from rules.scope import Scope, read_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.model import Condition
    from rules.template import Template

MQTT_KEYS = ("topic", "payload", "qos", "retain")
ACTION_KEYS = ("action", "data", "continue_on_error")
IF_KEYS = ("if", "then", "else")
CHOOSE_KEYS = ("choose", "default")
OPTION_KEYS = ("conditions", "sequence")
REPEAT_KEYS = ("count", "while", "until", "sequence")
MAX_TOPIC_BYTES = 65_535
MAX_BRANCHES = 20

LATER_STEPS = (
    "wait_template",
    "wait_for_trigger",
    "event",
    "scene",
    "device_id",
    "set_conversation_response",
)
_NAMED = f"{SAVE_CLIP}, {MQTT_PUBLISH}"


def read_action(node: Node, scope: Scope) -> Action | None:
    """Make an action of one step; None where it was refused."""
    step = node.value
    if isinstance(step, str) and "{" in step:
        return _check(node, scope)
    if not isinstance(step, dict):
        node.refuse(f"expected an action such as {{action: {SAVE_CLIP}}}, found {describe(step)}")
        return None
    for key, reader in _STEPS.items():
        if key in step:
            return reader(node, scope)
    _refuse_step(node)
    return None


def read_actions(node: Node | None, scope: Scope) -> tuple[Action, ...]:
    """Read one action or a list of them."""
    return read_each(node, lambda item: read_action(item, scope), at_least_one="action")


def _refuse_step(node: Node) -> None:
    """Say what is wrong with a step that has no word of an action."""
    for key in node.value:
        child = node.child(key, None)
        if key in LATER_STEPS:
            child.refuse(f"{key!r} is not supported yet; supported: {', '.join(_STEPS)}", key=True)
            return
        if key == "service":
            child.refuse("unknown key 'service'; did you mean 'action'?", key=True)
            return
    known = did_you_mean(next(iter(node.value), ""), _STEPS)
    meant = known if "did you mean" in known else ""
    node.refuse(f"'action' is missing: supported are {_NAMED} and {', '.join(list(_STEPS)[1:])}{meant}")


# --- what goes out ----------------------------------------------------------------------------------------


def _named(node: Node, scope: Scope) -> SaveClip | PublishMqtt | None:
    name = _action_name(node.child("action", node.value["action"]))
    if name is None:
        return None
    misplaced = {key: f"{key!r} belongs under 'data'" for key in MQTT_KEYS if name == MQTT_PUBLISH}
    keys = node.entries(ACTION_KEYS, refused=misplaced) or {}
    goes_on = read_key(keys, "continue_on_error", Node.flag, default=True)
    if name == MQTT_PUBLISH:
        return _publish(node, keys.get("data"), scope, continue_on_error=goes_on)
    data = keys.get("data")
    if data is not None and data.value not in (None, {}):
        data.refuse(f"{SAVE_CLIP} takes no data", key=True)
    return SaveClip(continue_on_error=goes_on)


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
        node.refuse(f"the action {name!r} is not supported yet; supported: {_NAMED}")
    return None


def _publish(node: Node, data: Node | None, scope: Scope, *, continue_on_error: bool) -> PublishMqtt | None:
    if data is None:
        node.refuse(f"'data' is missing: {MQTT_PUBLISH} needs a topic and a payload")
        return None
    keys = data.entries(MQTT_KEYS)
    if keys is None:
        return None
    if "topic" not in keys:
        data.refuse("'topic' is missing: where to publish")
        return None
    topic = _topic(keys["topic"], scope)
    payload = _payload(keys["payload"], scope) if "payload" in keys else ""
    qos = read_key(keys, "qos", lambda item: item.whole(0, 2), 0)
    retain = read_key(keys, "retain", Node.flag, default=False)
    if topic is None:
        return None
    return PublishMqtt(
        topic=topic, payload=payload, qos=qos, retain=retain, continue_on_error=continue_on_error
    )


def _topic(node: Node, scope: Scope) -> Template | None:
    text = node.text()
    template = None if text is None else read_template(node, text, scope)
    if text is None or template is None or "{" in text:
        return template
    if "+" in text or "#" in text:
        node.refuse("a topic to publish to has no wildcards (+ or #)")
    elif "\0" in text or len(text.encode()) > MAX_TOPIC_BYTES:
        node.refuse(f"a topic has no NUL character and at most {MAX_TOPIC_BYTES} bytes")
    return template


def _payload(node: Node, scope: Scope) -> Any:
    match node.value:
        case bool():
            node.text()
            return None
        case None:
            return ""
        case int() | float():
            return read_template(node, str(node.value), scope)
    return read_json(node, scope)


# --- what steers ------------------------------------------------------------------------------------------


def _delay(node: Node, scope: Scope) -> Delay | None:  # noqa: ARG001 - every reader of a step takes a scope
    keys = node.entries(("delay",)) or {}
    delay_s = keys["delay"].seconds()
    return None if delay_s is None else Delay(delay_s=delay_s)


def _check(node: Node, scope: Scope) -> Check | None:
    condition = read_condition(node, scope)
    return None if condition is None else Check(condition=condition)


def _if(node: Node, scope: Scope) -> Choose:
    keys = node.entries(IF_KEYS) or {}
    if "then" not in keys:
        node.refuse("'then' is missing: what follows where the conditions hold")
    option = Option(
        conditions=_conditions(keys.get("if"), scope), actions=read_actions(keys.get("then"), scope)
    )
    return Choose(options=(option,), default=read_actions(keys.get("else"), scope))


def _choose(node: Node, scope: Scope) -> Choose:
    keys = node.entries(CHOOSE_KEYS) or {}
    options = read_each(keys["choose"], lambda item: _option(item, scope), at_least_one="option")
    return Choose(options=options, default=read_actions(keys.get("default"), scope))


def _option(node: Node, scope: Scope) -> Option | None:
    keys = node.entries(OPTION_KEYS, also={"condition": "conditions"})
    if keys is None:
        return None
    for required, purpose in (("conditions", "when this is chosen"), ("sequence", "what follows then")):
        if required not in keys:
            node.refuse(f"{required!r} is missing: {purpose}")
    return Option(
        conditions=_conditions(keys.get("conditions"), scope),
        actions=read_actions(keys.get("sequence"), scope),
    )


def _repeat(node: Node, scope: Scope) -> Repeat | None:
    keys = (node.entries(("repeat",)) or {})["repeat"].entries(REPEAT_KEYS)
    if keys is None:
        return None
    how = [key for key in ("count", "while", "until") if key in keys]
    if len(how) != 1:
        node.refuse(f"'repeat' needs one of count, while and until, found {' and '.join(how) or 'none'}")
    if "sequence" not in keys:
        node.refuse("'sequence' is missing: what to repeat")
    return Repeat(
        actions=read_actions(keys.get("sequence"), scope),
        count=keys["count"].whole(1, MAX_ROUNDS) if "count" in keys else None,
        while_=_conditions(keys.get("while"), scope),
        until=_conditions(keys.get("until"), scope),
    )


def _parallel(node: Node, scope: Scope) -> Parallel | None:
    branches = (node.entries(("parallel",)) or {})["parallel"]
    read = read_each(branches, lambda item: _branch(item, scope), at_least_one="branch")
    if len(read) > MAX_BRANCHES:
        branches.refuse(f"expected at most {MAX_BRANCHES} branches, found {len(read)}")
    return Parallel(branches=read)


def _branch(node: Node, scope: Scope) -> tuple[Action, ...] | None:
    """Read one branch: an action, a list of them, or a mapping with `sequence`."""
    if isinstance(node.value, dict) and "sequence" in node.value:
        return read_actions((node.entries(("sequence",)) or {})["sequence"], scope)
    return read_actions(node, scope)


def _sequence(node: Node, scope: Scope) -> Choose:
    return Choose(options=(), default=read_actions((node.entries(("sequence",)) or {})["sequence"], scope))


def _stop(node: Node, scope: Scope) -> Stop:  # noqa: ARG001 - every reader of a step takes a scope
    keys = node.entries(("stop",)) or {}
    reason = keys["stop"].text() if keys["stop"].value is not None else ""
    return Stop(reason=reason or "")


def _variables(node: Node, scope: Scope) -> SetVariables:
    return SetVariables(values=read_variables((node.entries(("variables",)) or {})["variables"], scope))


def _conditions(node: Node | None, scope: Scope) -> tuple[Condition, ...]:
    return read_each(node, lambda item: read_condition(item, scope), at_least_one="condition")


_STEPS: dict[str, Callable[[Node, Scope], Action | None]] = {
    "action": _named,
    "delay": _delay,
    "if": _if,
    "choose": _choose,
    "repeat": _repeat,
    "parallel": _parallel,
    "sequence": _sequence,
    "stop": _stop,
    "variables": _variables,
    "condition": _check,
    "and": _check,
    "or": _check,
    "not": _check,
}
"""The word by which each kind of step is known."""
