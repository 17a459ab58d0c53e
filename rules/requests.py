"""From a rule that fired to what it asks for: times, texts and ids worked out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import datetime, tzinfo
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from rules.model import LOG, MQTT_PUBLISH, SAVE_CLIP, Action, ActionRequest, Delay, PublishMqtt, Rule
from rules.template import Template, TemplateFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from detectors.types import SoundEvent

MAX_PAYLOAD = 262_144
"""Characters that one payload may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """One rule that fired, for one sound."""

    rule: Rule
    trigger_digest: str
    event: SoundEvent
    at: float
    """Unix seconds of event time."""


def requests_of(
    firing: Firing, *, clip_url: Callable[[SoundEvent], str], zone: tzinfo
) -> Iterator[ActionRequest]:
    """Work out every action of the rule, in order; one that fails becomes a LOG request in its place."""
    variables = template_variables(firing.event, firing.rule.id, clip_url=clip_url, zone=zone)
    due_at = firing.at
    for index, action in enumerate(firing.rule.actions):
        if isinstance(action, Delay):
            due_at += action.delay_s
            continue
        name, data = _work_out(action, variables, place=f"rule {firing.rule.id!r}, action {index + 1}")
        yield ActionRequest(
            id=_request_id(firing, index),
            rule_id=firing.rule.id,
            action=name,
            event=firing.event,
            due_at=due_at,
            data=data,
        )


def template_variables(
    event: SoundEvent, rule_id: str, *, clip_url: Callable[[SoundEvent], str], zone: tzinfo
) -> dict[str, dict[str, Any]]:
    """Return what a template may name, as `rules.template.NAMES` promises. Times are ISO 8601 in `zone`."""
    return {
        "trigger": {
            "id": event.id,
            "profile": event.profile,
            "stream": event.stream,
            "phase": event.phase.value,
            "score": round(float(event.score), 4),
            "level_dbfs": _decibels(event.level_dbfs),
            "noise_floor_dbfs": _decibels(event.noise_floor_dbfs),
            "started": _iso(event.onset_at, zone),
            "ended": None if event.ended_at is None else _iso(event.ended_at, zone),
            "clip_url": clip_url(event),
        },
        "rule": {"id": rule_id},
    }


def _work_out(action: Action, variables: Mapping[str, Any], *, place: str) -> tuple[str, Mapping[str, Any]]:
    if not isinstance(action, PublishMqtt):
        return SAVE_CLIP, {}
    try:
        return MQTT_PUBLISH, {
            "topic": action.topic.text(variables),
            "payload": _payload(action.payload, variables),
            "qos": action.qos,
            "retain": action.retain,
        }
    except TemplateFault as fault:
        return LOG, {"level": "error", "message": f"{place} ({MQTT_PUBLISH}): {fault}"}


def _payload(payload: Any, variables: Mapping[str, Any]) -> str:
    if isinstance(payload, Template):
        return payload.text(variables)
    try:
        text = json.dumps(_filled(payload, variables), ensure_ascii=False, allow_nan=False)
    except ValueError as failure:
        raise TemplateFault(f"the payload is no JSON: {failure}") from None
    if len(text) > MAX_PAYLOAD:
        raise TemplateFault(f"the payload is longer than {MAX_PAYLOAD} characters")
    return text


def _filled(value: Any, variables: Mapping[str, Any]) -> Any:
    match value:
        case Template():
            return value.value(variables)
        case dict():
            return {key: _filled(item, variables) for key, item in value.items()}
        case list():
            return [_filled(item, variables) for item in value]
    return value


def _request_id(firing: Firing, index: int) -> str:
    event = firing.event
    key = f"{firing.rule.id}\0{firing.trigger_digest}\0{event.id}\0{event.phase.value}\0{index}"
    return blake2b(key.encode(), digest_size=8).hexdigest()


def _decibels(level_dbfs: float) -> float | None:
    # Digital silence is minus infinity, which JSON cannot say.
    return round(float(level_dbfs), 2) if math.isfinite(level_dbfs) else None


def _iso(unix_s: float, zone: tzinfo) -> str:
    return datetime.fromtimestamp(unix_s, zone).isoformat(timespec="milliseconds")
