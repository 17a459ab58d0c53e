"""What rules have to be told about, besides sounds: topics of MQTT, entities of Home Assistant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rules.model import (
    Action,
    AllOf,
    AnyOf,
    CallAction,
    Check,
    Choose,
    Condition,
    MqttCondition,
    MqttTrigger,
    NoneOf,
    PostWebhook,
    PublishMqtt,
    Repeat,
    Rule,
    RunCommand,
    SetVariables,
    StateCondition,
    StateTrigger,
    TemplateCondition,
)
from rules.program import every_action
from rules.template import Template


def topics_kept(rule: Rule) -> Iterator[str]:
    """Give the topics whose last message a condition asks for."""
    for condition in _conditions(rule):
        if isinstance(condition, MqttCondition):
            yield condition.topic


def entities_named(rule: Rule) -> Iterator[str]:
    """Give the entities of Home Assistant that a trigger, a condition or a template asks about."""
    for trigger in rule.triggers:
        if isinstance(trigger, StateTrigger):
            yield from trigger.entities
        elif isinstance(trigger, MqttTrigger):
            yield from _in_template(trigger.template)
    yield from _in_values(rule.variables)
    for condition in _conditions(rule):
        match condition:
            case StateCondition():
                yield from condition.entities
            case TemplateCondition() | MqttCondition():
                yield from _in_template(condition.template)
    for action in every_action(rule.actions):
        yield from _in_action(action)


def _conditions(rule: Rule) -> Iterator[Condition]:
    yield from _inside(rule.conditions)
    for action in every_action(rule.actions):
        match action:
            case Check():
                yield from _inside((action.condition,))
            case Choose():
                for option in action.options:
                    yield from _inside(option.conditions)
            case Repeat():
                yield from _inside(action.while_)
                yield from _inside(action.until)


def _inside(conditions: Iterable[Condition]) -> Iterator[Condition]:
    for condition in conditions:
        if isinstance(condition, AllOf | AnyOf | NoneOf):
            yield from _inside(condition.conditions)
        else:
            yield condition


def _in_action(action: Action) -> Iterator[str]:
    match action:
        case PublishMqtt():
            yield from _in_template(action.topic)
            yield from _in_values(action.payload)
        case SetVariables():
            yield from _in_values(action.values)
        case CallAction():
            yield from _in_values([action.target, action.data])
        case PostWebhook():
            yield from _in_values([action.url, dict(action.headers), action.payload])
        case RunCommand():
            yield from _in_values(list(action.command))


def _in_values(value: Any) -> Iterator[str]:
    match value:
        case Template():
            yield from value.entities
        case Mapping():
            for item in value.values():
                yield from _in_values(item)
        case list():
            for item in value:
                yield from _in_values(item)


def _in_template(template: Template | None) -> Iterable[str]:
    return () if template is None else template.entities
