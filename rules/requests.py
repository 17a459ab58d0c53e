"""From an action to what it asks for: texts worked out, and an id that a replay gives again."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from rules.model import LOG, MQTT_PUBLISH, SAVE_CLIP, ActionRequest, PublishMqtt, SaveClip
from rules.template import Template, TemplateFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.context import Context

MAX_PAYLOAD = 262_144
"""Characters that one payload or variable may have."""


def work_out(action: PublishMqtt | SaveClip, context: Context) -> tuple[str, Mapping[str, Any]]:
    """Return name and data of what an action asks for; raises TemplateFault where it cannot be worked out."""
    if isinstance(action, SaveClip):
        if context.cause.event is None:
            raise TemplateFault("no sound made the rule fire, so there is no clip to keep")
        return SAVE_CLIP, {}
    return MQTT_PUBLISH, {
        "topic": action.topic.text(context.names),
        "payload": _payload(action.payload, context.names),
        "qos": action.qos,
        "retain": action.retain,
    }


def plain_value(value: Any, names: Mapping[str, Any]) -> Any:
    """Work out a variable: text, numbers, lists and mappings that JSON can say."""
    filled = _filled(value, names)
    _json(filled, "the value")
    return filled


def request(context: Context, number: int, action: str, data: Mapping[str, Any]) -> ActionRequest:
    """Make the request that is the run's `number`th."""
    cause = context.cause
    sound = f"{cause.at!r}" if cause.event is None else f"{cause.event.id}\0{cause.event.phase.value}"
    key = f"{context.rule_id}\0{cause.trigger.digest}\0{sound}\0{number}"
    return ActionRequest(
        id=blake2b(key.encode(), digest_size=8).hexdigest(),
        rule_id=context.rule_id,
        action=action,
        event=cause.event,
        due_at=context.at,
        data=data,
    )


def complaint(context: Context, number: int, message: str) -> ActionRequest:
    """Make the request that tells the owner what went wrong."""
    return request(
        context, number, LOG, {"level": "error", "message": f"rule {context.rule_id!r}, {message}"}
    )


def _payload(payload: Any, names: Mapping[str, Any]) -> str:
    if isinstance(payload, Template):
        return payload.text(names)
    return _json(_filled(payload, names), "the payload")


def _json(value: Any, what: str) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as failure:
        raise TemplateFault(f"{what} is no JSON: {failure}") from None
    if len(text) > MAX_PAYLOAD:
        raise TemplateFault(f"{what} is longer than {MAX_PAYLOAD} characters")
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
