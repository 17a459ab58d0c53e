"""From an action to what it asks for: texts worked out, and an id that a replay gives again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from rules.context import Context
from rules.model import (
    COMMAND,
    DESCRIBE,
    EMIT,
    LOG,
    MQTT_PUBLISH,
    SAVE_CLIP,
    WEBHOOK,
    ActionRequest,
    CallAction,
    Describe,
    Emit,
    PostWebhook,
    PublishMqtt,
    Request,
    RunCommand,
    SaveClip,
)
from rules.template import Template, TemplateFault

MAX_PAYLOAD = 262_144
"""Characters that one payload may have."""
MAX_VARIABLE = 16_384
"""Characters that one variable may have as JSON: what templates may take and give."""

_NAMES: Mapping[type, str] = {
    SaveClip: SAVE_CLIP,
    PublishMqtt: MQTT_PUBLISH,
    Describe: DESCRIBE,
    Emit: EMIT,
    PostWebhook: WEBHOOK,
    RunCommand: COMMAND,
}
_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_NO_DATA: Mapping[str, Any] = {}
_Data = Mapping[str, Any]


def name_of(action: Request) -> str:
    """Return the name that an action is known by."""
    return action.name if isinstance(action, CallAction) else _NAMES[type(action)]


def work_out(action: Request, context: Context) -> _Data:  # noqa: PLR0911 - one for each kind
    """Return the data of what an action asks for; raises TemplateFault where it cannot be worked out."""
    match action:
        case SaveClip():
            _must_have_sound(context)
            return _NO_DATA
        case PublishMqtt():
            names = context.names
            return {
                "topic": action.topic.text(names),
                "payload": _payload(action.payload, names),
                "qos": action.qos,
                "retain": action.retain,
            }
        case Describe():
            _must_have_sound(context)
            return {"question": action.question.text(context.names)}
        case Emit():
            return _emitted(action, context)
        case PostWebhook():
            return _posted(action, context.names)
        case RunCommand():
            return {
                "command": [part.text(context.names) for part in action.command],
                "timeout_s": action.timeout_s,
            }
        case CallAction():
            names = context.names
            called = {"target": _filled(action.target, names), "data": _filled(action.data, names)}
            _json(called, "the data", MAX_PAYLOAD)
            return called


def plain_value(value: Any, names: Mapping[str, Any]) -> Any:
    """Work out a variable: text, numbers, lists and mappings that JSON can say."""
    filled = _filled(value, names)
    _json(filled, "the value", MAX_VARIABLE)
    return filled


def request(
    context: Context, number: int, action: str, data: _Data, *, expires_s: float | None = None
) -> ActionRequest:
    """Make the request that is the run's `number`th."""
    key = f"{context.key}\0{number}"
    return ActionRequest(
        id=blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest(),
        rule_id=context.rule_id,
        action=action,
        event=context.cause.event,
        due_at=context.at,
        data=data,
        expires_s=expires_s,
    )


def ask(action: Request, context: Context, number: int) -> ActionRequest:
    """Make what an action asks for, as the run's `number`th request; raises TemplateFault."""
    expires_s = None if isinstance(action, SaveClip | Describe | Emit) else action.expires_s
    return request(context, number, name_of(action), work_out(action, context), expires_s=expires_s)


def unclear(
    action: Request, context: Context, number: int, place: str, fault: TemplateFault
) -> ActionRequest:
    """Make the request that tells of an action which could not be worked out."""
    return complaint(context, number, f"{place} ({name_of(action)}): {fault}")


def complaint(context: Context, number: int, message: str) -> ActionRequest:
    """Make the request that tells the owner what went wrong."""
    return request(
        context, number, LOG, {"level": "error", "message": f"rule {context.rule_id!r}, {message}"}
    )


def _must_have_sound(context: Context) -> None:
    if context.cause.event is None:
        raise TemplateFault("no sound made the rule fire, so there is no clip of it")


def _emitted(action: Emit, context: Context) -> _Data:
    event = context.cause.event
    if action.stream is not None:
        stream = action.stream.text(context.names)
    elif event is not None:
        stream = event.stream
    else:
        raise TemplateFault("no sound made the rule fire: say on which 'stream' the new one is")
    if not stream.strip():
        raise TemplateFault("the name of the stream is empty")
    score = 1.0 if event is None else float(event.score)
    if action.score is not None:
        given = action.score.value(context.names)
        try:
            score = float(str(given))
        except ValueError:
            score = math.nan
        if not 0 <= score <= 1:
            raise TemplateFault(f"a score is a number from 0 to 1, found {str(given)[:40]!r}")
    return {"event": action.event, "stream": stream, "score": score}


def _posted(action: PostWebhook, names: Mapping[str, Any]) -> _Data:
    plain = isinstance(action.payload, Template) or action.payload == ""
    return {
        "url": action.url.text(names),
        "method": action.method,
        "headers": {name: value.text(names) for name, value in action.headers.items()},
        "body": _payload(action.payload, names),
        "content_type": "text/plain; charset=utf-8" if plain else "application/json",
    }


def _payload(payload: Any, names: Mapping[str, Any]) -> str:
    if isinstance(payload, Template):
        value = payload.value(names)
        return value if isinstance(value, str) else _said(value)
    return "" if payload == "" else _json(_filled(payload, names), "the payload", MAX_PAYLOAD)


def _said(value: object) -> str:
    """Return a template's own value as text: JSON where there is more than one thing in it."""
    return _json(value, "the payload", MAX_PAYLOAD) if isinstance(value, dict | list) else str(value)


def _json(value: Any, what: str, most: int) -> str:
    try:
        text = _ENCODE(value)
    except (TypeError, ValueError, RecursionError) as failure:
        raise TemplateFault(f"{what} is no JSON: {failure}") from None
    if len(text) > most:
        raise TemplateFault(f"{what} is longer than {most} characters")
    return text


def _filled(value: Any, names: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.value(names)
        case dict():
            return {key: _filled(item, names) for key, item in value.items()}
        case list():
            return [_filled(item, names) for item in value]
    return value
