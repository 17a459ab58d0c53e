"""Rules as an owner would write them: the loader's work undone, for the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.model import (
    AllOf,
    AnyOf,
    CallAction,
    Check,
    Choose,
    Delay,
    Describe,
    Emit,
    MqttCondition,
    MqttTrigger,
    NoneOf,
    Parallel,
    PatternTrigger,
    PostWebhook,
    PublishMqtt,
    Repeat,
    RunCommand,
    SaveClip,
    SequenceTrigger,
    SetVariables,
    SilenceTrigger,
    SoundPattern,
    SoundTrigger,
    StateCondition,
    StateTrigger,
    Stop,
    TemplateCondition,
    TimeCondition,
    TimeTrigger,
    TriggerCondition,
)
from rules.template import Template

if TYPE_CHECKING:
    from collections.abc import Collection

    from rules.model import Action, Condition, Rule, Trigger

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def dumped(rule: Rule) -> dict[str, Any]:
    """Write a rule whose mode has a `max`."""
    return {
        "id": rule.id,
        "alias": rule.alias,
        "enabled": rule.enabled,
        "variables": dict(rule.variables),
        "triggers": [_trigger(trigger) for trigger in rule.triggers],
        "conditions": [_condition(condition) for condition in rule.conditions],
        "actions": _actions(rule.actions),
        "mode": rule.mode.value,
        "max": rule.max_runs,
        "cooldown": rule.cooldown_s,
        "keep_firing_for": rule.keep_firing_for_s,
    }


def _trigger(trigger: Trigger) -> dict[str, Any]:  # noqa: PLR0911 - one for each kind
    match trigger:
        case SoundTrigger():
            plain = {"trigger": "sound", "for": trigger.for_s, "phase": trigger.phase.value}
            if trigger.within_s is not None:
                plain |= {"count": trigger.count, "within": {"seconds": trigger.within_s}}
            return plain | _sound(trigger) | {"id": trigger.id}
        case SequenceTrigger():
            plain = {"trigger": "sequence", "sounds": [_sound(step) for step in trigger.steps]}
            plain |= {"within": trigger.within_s, "same_stream": trigger.same_stream, "id": trigger.id}
            return plain if trigger.without is None else plain | {"without": _sound(trigger.without)}
        case SilenceTrigger():
            plain = {"trigger": "silence", "for": trigger.for_s, "after": trigger.ran_s, "id": trigger.id}
            return plain | {"profile": list(trigger.profiles)} | _some(stream=trigger.streams)
        case TimeTrigger():
            at = [clock.isoformat() for clock in trigger.at]
            return {"trigger": "time", "at": at, "id": trigger.id} | _some(weekday=_days(trigger.weekdays))
        case PatternTrigger():
            plain = {"trigger": "time_pattern", "id": trigger.id}
            return plain | {"minutes": _unit(trigger.minutes), "seconds": _unit(trigger.seconds)}
        case MqttTrigger():
            plain = {"trigger": "mqtt", "id": trigger.id, "topic": trigger.topic}
            return plain | _given(payload=trigger.payload, value_template=_source(trigger.template))
        case StateTrigger():
            plain = {"trigger": "state", "id": trigger.id, "for": trigger.for_s}
            plain |= {"entity_id": list(trigger.entities)} | _some(to=trigger.to_states)
            return plain | ({"from": list(trigger.from_states)} if trigger.from_states else {})


def _sound(wanted: SoundTrigger | SoundPattern) -> dict[str, Any]:
    plain = {"profile": list(wanted.profiles), "above": wanted.above, "below": wanted.below}
    return {key: value for key, value in plain.items() if value is not None} | _some(stream=wanted.streams)


def _condition(condition: Condition) -> Any:  # noqa: PLR0911 - one for each kind
    match condition:
        case TimeCondition():
            plain = {"condition": "time"} | _some(weekday=_days(condition.weekdays))
            return plain if condition.after is None else plain | {"after": condition.after.isoformat()}
        case TemplateCondition():
            return condition.template.source
        case TriggerCondition():
            return {"condition": "trigger", "id": list(condition.ids)}
        case MqttCondition():
            plain = {"condition": "mqtt", "topic": condition.topic, "is": list(condition.payloads)}
            return plain | _given(value_template=_source(condition.template), max_age=condition.max_age_s)
        case StateCondition():
            plain = {"condition": "state", "entity_id": list(condition.entities)}
            plain |= {"state": list(condition.states), "for": condition.for_s}
            return plain | _given(attribute=condition.attribute or None, max_age=condition.max_age_s)
        case AllOf():
            return {"condition": "and", "conditions": [_condition(each) for each in condition.conditions]}
        case AnyOf():
            return {"or": [_condition(each) for each in condition.conditions]}
        case NoneOf():
            return {"not": [_condition(each) for each in condition.conditions]}


def _actions(actions: Collection[Action]) -> list[Any]:
    return [_action(action) for action in actions]


def _request(action: Action) -> Any:  # noqa: PLR0911 - one for each kind
    match action:
        case SaveClip():
            return {"action": "heard.save_clip", "continue_on_error": action.continue_on_error}
        case Describe():
            return _named("heard.describe", {"question": _source(action.question)})
        case Emit():
            stream, score = _source(action.stream), _source(action.score)
            return _named("heard.emit", {"event": action.event} | _given(stream=stream, score=score))
        case PublishMqtt():
            data = {"topic": action.topic.source, "qos": action.qos, "retain": action.retain}
            return _sent("mqtt.publish", data | {"payload": _plain(action.payload)}, action.expires_s)
        case PostWebhook():
            data = {"url": action.url.source, "method": action.method, "payload": _plain(action.payload)}
            data |= {"headers": _plain(dict(action.headers))}
            return _sent("webhook.post", data, action.expires_s)
        case RunCommand():
            words = [part.source for part in action.command]
            data = {"command": words, "timeout": action.timeout_s}
            return _sent("command.run", data, action.expires_s)
        case CallAction():
            given = _given(target=_plain(action.target), data=_plain(action.data), expires=action.expires_s)
            return {"action": action.name} | given
    return None


def _action(action: Action) -> Any:  # noqa: PLR0911 - one for each kind
    match action:
        case Delay():
            return {"delay": action.delay_s}
        case SetVariables():
            return {"variables": dict(action.values)}
        case Stop():
            return {"stop": action.reason}
        case Check():
            return _condition(action.condition)
        case Choose():
            options = [
                {
                    "conditions": [_condition(each) for each in option.conditions],
                    "sequence": _actions(option.actions),
                }
                for option in action.options
            ]
            return {"choose": options, "default": _actions(action.default)}
        case Repeat():
            how = (
                {"count": action.count}
                if action.count
                else {"until": [_condition(each) for each in action.until]}
            )
            return {"repeat": how | {"sequence": _actions(action.actions)}}
        case Parallel():
            return {"parallel": [{"sequence": _actions(branch)} for branch in action.branches]}
    return _request(action)


def _sent(name: str, data: dict[str, Any], expires_s: float | None) -> dict[str, Any]:
    return _named(name, data) | _given(expires=expires_s)


def _named(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"action": name, "data": data}


def _plain(value: Any) -> Any:
    match value:
        case Template():
            return value.source
        case dict():
            return {key: _plain(item) for key, item in value.items()}
    return value


def _source(template: Template | None) -> str | None:
    return None if template is None else template.source


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _days(days: Collection[int]) -> list[str]:
    return [WEEKDAYS[day] for day in sorted(days)]


def _unit(values: tuple[int, ...] | None) -> Any:
    if values is None:
        return "*"
    return values[0] if len(values) == 1 else f"/{values[1]}"


def _some(**lists: Collection[str]) -> dict[str, Any]:
    return {key: list(values) for key, values in lists.items() if values}
