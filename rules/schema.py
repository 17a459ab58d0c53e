"""The shape of rule files as JSON Schema, so that an editor completes and checks them."""

from __future__ import annotations

from collections.abc import Collection

from rules.action_schema import requests_schema, steps_schema, trial_schema
from rules.condition_grammar import CONDITIONS, WEEKDAYS
from rules.model import Mode
from rules.schema_words import (
    CLOCK,
    DURATION,
    SAID,
    SCORE,
    STATE,
    TEMPLATE,
    TEXT,
    UNIT,
    VARIABLES,
    Schema,
    either,
    mapping,
    offered,
    one_or_more,
    ref,
)
from rules.trigger_grammar import MAX_COUNT, MAX_STEPS


def rules_schema(profiles: Collection[str] = (), streams: Collection[str] = ()) -> Schema:
    """Return the schema; names that are known are offered, and others allowed."""
    definitions = {
        "profile": offered(profiles),
        "stream": offered(streams),
        "duration": DURATION,
        "clock": CLOCK,
        "trigger": {"oneOf": _triggers()},
        "condition": {"anyOf": _conditions()},
        "entity": {"type": "string", "pattern": "^[a-z0-9_]+[.][a-z0-9_]+$"},
        "action": {"anyOf": [*requests_schema(), *steps_schema()]},
        "rule": _rule(),
        "test": trial_schema(),
    }
    rules = {"type": ["array", "null"], "items": ref("rule")}
    file = {"rules": rules, "tests": {"type": ["array", "null"], "items": ref("test")}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of heard",
        "anyOf": [rules, {"type": "null"}, mapping(file, required=["rules"])],
        "$defs": definitions,
    }


def _rule() -> Schema:
    one_of_each = [
        {"oneOf": [{"required": [plural]}, {"required": [plural.removesuffix("s")]}]}
        for plural in ("triggers", "actions")
    ]
    keys = {
        "id": {"type": "string", "minLength": 1, "maxLength": 100},
        "alias": TEXT,
        "description": TEXT,
        "enabled": {"type": "boolean"},
        "variables": VARIABLES,
        "mode": {"enum": [mode.value for mode in Mode]},
        "max": {"type": "integer", "minimum": 2, "maximum": 1_000},
        "cooldown": ref("duration"),
        "keep_firing_for": ref("duration"),
    }
    for word in ("trigger", "condition", "action"):
        keys[word] = keys[f"{word}s"] = one_or_more(ref(word), empty=word == "condition")
    return mapping(keys, required=["id"]) | {"allOf": one_of_each}


def _triggers() -> list[Schema]:
    heard = {**either("profile"), **either("stream")}
    bounds = {"above": SCORE, "below": SCORE}
    days = either("weekday", {"enum": list(WEEKDAYS)})
    step = {"anyOf": [one_or_more(ref("profile")), mapping({**heard, **bounds})]}
    sound = {
        **heard,
        **bounds,
        "phase": {"enum": ["started", "ended"]},
        "for": ref("duration"),
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_COUNT},
        "within": ref("duration"),
    }
    sequence = {
        "sounds": {"type": "array", "items": step, "minItems": 2, "maxItems": MAX_STEPS},
        "within": ref("duration"),
        "same_stream": {"type": "boolean"},
        "without": step,
    }
    silence = {**heard, "for": ref("duration"), "after": ref("duration")}
    return [
        _trigger("sound", sound),
        _trigger("sequence", sequence, required=["sounds", "within"]),
        _trigger("silence", silence, required=["for"]),
        _trigger(
            "mqtt",
            {"topic": TEXT, "payload": SAID, "value_template": TEMPLATE},
            required=["topic"],
        ),
        _trigger(
            "state",
            {
                **either("entity_id", ref("entity")),
                "from": one_or_more(STATE),
                "to": one_or_more(STATE),
                "for": ref("duration"),
            },
        ),
        _trigger("time", {"at": one_or_more(ref("clock")), **days}, required=["at"]),
        _trigger("time_pattern", {"hours": UNIT, "minutes": UNIT, "seconds": UNIT}),
    ]


def _trigger(kind: str, keys: Schema, *, required: Collection[str] = ()) -> Schema:
    return mapping({"trigger": {"const": kind}, "id": TEXT, **keys}, required=["trigger", *required])


def _conditions() -> list[Schema]:
    several = one_or_more(ref("condition"))
    days = either("weekday", {"enum": list(WEEKDAYS)})
    time = {"condition": {"const": "time"}, "after": ref("clock"), "before": ref("clock"), **days}
    template = {"condition": {"const": "template"}, "value_template": TEXT}
    trigger = {"condition": {"const": "trigger"}, **either("id", TEXT)}
    mqtt = {
        "condition": {"const": "mqtt"},
        "topic": TEXT,
        "is": one_or_more(SAID),
        "value_template": TEMPLATE,
        "max_age": ref("duration"),
    }
    state = {
        "condition": {"const": "state"},
        **either("entity_id", ref("entity")),
        **either("state", STATE),
        "attribute": TEXT,
        "for": ref("duration"),
        "max_age": ref("duration"),
    }
    groups = [kind for kind in CONDITIONS if kind in {"and", "or", "not"}]
    return [
        {"type": "string", "pattern": "[{]"},
        mapping(time, required=["condition"]),
        mapping(template, required=["condition", "value_template"]),
        mapping(trigger, required=["condition"]),
        mapping(mqtt, required=["condition", "topic"]),
        mapping(state, required=["condition"]),
        mapping({"condition": {"enum": groups}, "conditions": several}, required=["condition", "conditions"]),
        *(mapping({kind: several}, required=[kind]) for kind in groups),
    ]
