"""The actions that ask for something outside of the rules, and what each of them becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from foundation.wording import describe, did_you_mean
from rules.data_grammar import (
    read_headers,
    read_json,
    read_number_template,
    read_payload,
    read_publish_topic,
    read_text_template,
)
from rules.model import (
    COMMAND,
    DESCRIBE,
    EMIT,
    MQTT_PUBLISH,
    SAVE_CLIP,
    WEBHOOK,
    CallAction,
    Describe,
    Emit,
    PostWebhook,
    PublishMqtt,
    Request,
    RunCommand,
    SaveClip,
)
from rules.reading import Node, read_each, read_key
from rules.scope import TAG, Scope, read_name
from rules.template import compile_template
from rules.template_check import ENTITY

ACTION_KEYS = ("action", "data", "continue_on_error")
SENT_KEYS = (*ACTION_KEYS, "expires")
CALL_KEYS = ("action", "target", "data", "continue_on_error", "expires")
DATA_KEYS: Mapping[str, tuple[str, ...]] = {
    SAVE_CLIP: (),
    DESCRIBE: ("question",),
    EMIT: ("event", "stream", "score"),
    MQTT_PUBLISH: ("topic", "payload", "qos", "retain"),
    WEBHOOK: ("url", "payload", "method", "headers"),
    COMMAND: ("command", "timeout"),
}
_MISPLACED: Mapping[str, Mapping[str, str]] = {
    name: {key: f"{key!r} belongs under 'data'" for key in keys} for name, keys in DATA_KEYS.items()
}
TARGET_KEYS = ("entity_id", "device_id", "area_id", "floor_id", "label_id")
METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
OUR_DOMAINS = tuple(sorted({name.split(".")[0] for name in DATA_KEYS}))

NAMED = f"{', '.join(DATA_KEYS)}, any action of Home Assistant (light.turn_on)"
"""What may stand behind `action`, for messages."""

HERE = frozenset({SAVE_CLIP, DESCRIBE, EMIT})
"""What happens in the daemon itself, at once or never."""

MAX_PARTS = 100
COMMAND_S = 10.0
MAX_COMMAND_S = 600.0

_Data = dict[str, Node]


class _Shared(NamedTuple):
    """What any action may say."""

    goes_on: bool
    expires_s: float | None


def read_request(node: Node, scope: Scope) -> Request | None:
    """Make what a step with the word `action` asks for; None where it was refused."""
    name = _action_name(node.child("action", node.value["action"]))
    if name is None:
        return None
    if name not in DATA_KEYS:
        return _call(node, name, scope)
    keys = node.entries(ACTION_KEYS if name in HERE else SENT_KEYS, refused=_refused(name)) or {}
    shared = _shared(keys)
    data = _data(keys.get("data"), name)
    return None if data is None else _READERS[name](node, data, scope, shared)


def _refused(name: str) -> Mapping[str, str]:
    late = {"expires": f"{name} is done at once or never, and does not expire"} if name in HERE else {}
    return {**_MISPLACED[name], **late}


def _shared(keys: Mapping[str, Node]) -> _Shared:
    expires_s = read_key(keys, "expires", Node.seconds, None)
    if expires_s == 0:
        keys["expires"].refuse("expected how long the action is worth delivering, found no time at all")
    return _Shared(read_key(keys, "continue_on_error", Node.flag, default=True), expires_s)


def _action_name(node: Node) -> str | None:
    name = node.text()
    if name is None or name in DATA_KEYS:
        return name
    if name == "delay":
        node.refuse('a delay is written on its own: - delay: "00:00:30"')
    elif not ENTITY.fullmatch(name) or name.split(".")[0] in OUR_DOMAINS:
        node.refuse(f"unknown action {name!r}{did_you_mean(name, DATA_KEYS)}")
    else:
        return name
    return None


def _data(node: Node | None, name: str) -> _Data | None:
    """Read the mapping under `data`; where there is none, an empty one."""
    if node is None or node.value is None:
        return {}
    if not DATA_KEYS[name]:
        if node.value != {}:
            node.refuse(f"{name} takes no data", key=True)
        return {}
    return node.entries(DATA_KEYS[name])


def _missing(node: Node, data: _Data, key: str, purpose: str) -> bool:
    if key in data:
        return False
    if "data" in node.value and isinstance(node.value["data"], dict):
        node.child("data", node.value["data"]).refuse(f"{key!r} is missing: {purpose}")
    else:
        node.refuse(f"'data' is missing: {node.value['action']} needs {key!r}, {purpose}")
    return True


# --- one for each action ----------------------------------------------------------------------------------


def _save_clip(_node: Node, _data: _Data, _scope: Scope, shared: _Shared) -> SaveClip:
    return SaveClip(continue_on_error=shared.goes_on)


def _describe(_node: Node, data: _Data, scope: Scope, shared: _Shared) -> Describe:
    question = read_text_template(data["question"], scope) if "question" in data else None
    return Describe(question=question or compile_template(""), continue_on_error=shared.goes_on)


def _emit(node: Node, data: _Data, scope: Scope, shared: _Shared) -> Emit | None:
    if _missing(node, data, "event", "the name of what it is"):
        return None
    name = read_name(data["event"])
    if name is None:
        return None
    if "{" in name or name.startswith(TAG):
        data["event"].refuse("expected a name as it is, without a template: other rules refer to it")
    elif isinstance(scope.profiles, Mapping) and name in scope.profiles:
        data["event"].refuse(f"{name!r} is a profile: give what the rule makes a name of its own")
    scope.derived.add(name)
    score = data.get("score")
    if score is not None and isinstance(score.value, int | float) and not isinstance(score.value, bool):
        score.number(0, 1)
    return Emit(
        event=name,
        stream=read_text_template(data["stream"], scope) if "stream" in data else None,
        score=None if score is None else read_number_template(score, scope),
        continue_on_error=shared.goes_on,
    )


def _publish(node: Node, data: _Data, scope: Scope, shared: _Shared) -> PublishMqtt | None:
    if _missing(node, data, "topic", "where to publish"):
        return None
    topic = read_publish_topic(data["topic"], scope)
    payload = read_payload(data["payload"], scope) if "payload" in data else ""
    qos = read_key(data, "qos", lambda item: item.whole(0, 2), 1)
    retain = read_key(data, "retain", Node.flag, default=False)
    if topic is None:
        return None
    return PublishMqtt(
        topic=topic,
        payload=payload,
        qos=qos,
        retain=retain,
        continue_on_error=shared.goes_on,
        expires_s=shared.expires_s,
    )


def _post(node: Node, data: _Data, scope: Scope, shared: _Shared) -> PostWebhook | None:
    if _missing(node, data, "url", "where to send it"):
        return None
    url = read_text_template(data["url"], scope)
    if url is None:
        return None
    if not url.source.startswith(("http://", "https://", "{")):
        data["url"].refuse(
            f"expected a URL that begins with https:// or http://, found {describe(url.source)}"
        )
    return PostWebhook(
        url=url,
        method=read_key(data, "method", lambda item: item.choice(METHODS), "POST"),
        headers=read_headers(data["headers"], scope) if "headers" in data else {},
        payload=read_payload(data["payload"], scope) if "payload" in data else "",
        continue_on_error=shared.goes_on,
        expires_s=shared.expires_s,
    )


def _run(node: Node, data: _Data, scope: Scope, shared: _Shared) -> RunCommand | None:
    if _missing(node, data, "command", "the program and its arguments, as a list"):
        return None
    place = data["command"]
    if not isinstance(place.value, list):
        found = describe(place.value)
        place.refuse(f"expected a list of the program and its arguments (there is no shell), found {found}")
        return None
    command = read_each(place, lambda item: read_text_template(item, scope), at_least_one="word")
    if len(command) > MAX_PARTS:
        place.refuse(f"expected at most {MAX_PARTS} words, found {len(command)}")
    if command and "{" in command[0].source:
        next(place.items()).refuse("the program is named as it is, without a template")
    timeout_s = read_key(data, "timeout", Node.seconds, COMMAND_S)
    if not 0 < timeout_s <= MAX_COMMAND_S:
        data["timeout"].refuse(f"expected a duration of at most {MAX_COMMAND_S:g} seconds, and not of none")
    return RunCommand(
        command=command, timeout_s=timeout_s, continue_on_error=shared.goes_on, expires_s=shared.expires_s
    )


def _call(node: Node, name: str, scope: Scope) -> CallAction | None:
    keys = node.entries(CALL_KEYS, refused={"entity_id": "'entity_id' belongs under 'target'"})
    if keys is None:
        return None
    if "target" in keys:
        keys["target"].entries(TARGET_KEYS)
    if "data" in keys and not isinstance(keys["data"].value, dict | None):
        keys["data"].refuse(f"expected a mapping, found {describe(keys['data'].value)}")
    shared = _shared(keys)
    return CallAction(
        name=name,
        target=read_json(keys["target"], scope) if "target" in keys else None,
        data=read_json(keys["data"], scope) if "data" in keys else None,
        continue_on_error=shared.goes_on,
        expires_s=shared.expires_s,
    )


_READERS: Mapping[str, Callable[[Node, _Data, Scope, _Shared], Request | None]] = {
    SAVE_CLIP: _save_clip,
    DESCRIBE: _describe,
    EMIT: _emit,
    MQTT_PUBLISH: _publish,
    WEBHOOK: _post,
    COMMAND: _run,
}
