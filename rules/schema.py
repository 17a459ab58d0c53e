"""The shape of rule files as JSON Schema, so that an editor completes and checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.condition_grammar import CONDITIONS, WEEKDAYS
from rules.model import MQTT_PUBLISH, SAVE_CLIP, Mode
from rules.program import MAX_ROUNDS
from rules.trigger_grammar import MAX_COUNT, MAX_STEPS

if TYPE_CHECKING:
    from collections.abc import Collection

_Schema = dict[str, Any]

_TEXT: _Schema = {"type": "string", "minLength": 1}
_SCORE: _Schema = {"type": "number", "minimum": 0, "maximum": 1}
_CLOCK: _Schema = {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?$"}
_UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")
_DURATION: _Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 604_800},
        {"type": "string", "pattern": "^[0-9]{1,6}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]+)?)?$"},
        {
            "type": "object",
            "properties": {unit: {"type": "number", "minimum": 0} for unit in _UNITS},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}
_UNIT: _Schema = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 59}, {"type": "string"}]}
_VARIABLES: _Schema = {"type": "object"}


def rules_schema(profiles: Collection[str] = (), streams: Collection[str] = ()) -> _Schema:
    """Return the schema; names that are known are offered, and others allowed."""
    definitions = {
        "profile": _offered(profiles),
        "stream": _offered(streams),
        "duration": _DURATION,
        "clock": _CLOCK,
        "trigger": {"oneOf": _triggers()},
        "condition": {"anyOf": _conditions()},
        "action": {"anyOf": _actions()},
        "rule": _rule(),
    }
    rules = {"type": ["array", "null"], "items": _ref("rule")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Rules of heard",
        "anyOf": [rules, {"type": "null"}, _mapping({"rules": rules}, required=["rules"])],
        "$defs": definitions,
    }


def _rule() -> _Schema:
    one_of_each = [
        {"oneOf": [{"required": [plural]}, {"required": [plural.removesuffix("s")]}]}
        for plural in ("triggers", "actions")
    ]
    keys = {
        "id": {"type": "string", "minLength": 1, "maxLength": 100},
        "alias": _TEXT,
        "description": _TEXT,
        "enabled": {"type": "boolean"},
        "variables": _VARIABLES,
        "mode": {"enum": [mode.value for mode in Mode]},
        "max": {"type": "integer", "minimum": 2, "maximum": 1_000},
        "cooldown": _ref("duration"),
        "keep_firing_for": _ref("duration"),
    }
    for word in ("trigger", "condition", "action"):
        keys[word] = keys[f"{word}s"] = _one_or_more(_ref(word), empty=word == "condition")
    return _mapping(keys, required=["id"]) | {"allOf": one_of_each}


def _triggers() -> list[_Schema]:
    heard = {**_either("profile"), **_either("stream")}
    bounds = {"above": _SCORE, "below": _SCORE}
    days = _either("weekday", {"enum": list(WEEKDAYS)})
    step = {"anyOf": [_one_or_more(_ref("profile")), _mapping({**heard, **bounds})]}
    sound = {
        **heard,
        **bounds,
        "phase": {"enum": ["started", "ended"]},
        "for": _ref("duration"),
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_COUNT},
        "within": _ref("duration"),
    }
    sequence = {
        "sounds": {"type": "array", "items": step, "minItems": 2, "maxItems": MAX_STEPS},
        "within": _ref("duration"),
        "same_stream": {"type": "boolean"},
        "without": step,
    }
    silence = {**heard, "for": _ref("duration"), "after": _ref("duration")}
    return [
        _trigger("sound", sound),
        _trigger("sequence", sequence, required=["sounds", "within"]),
        _trigger("silence", silence, required=["for"]),
        _trigger("time", {"at": _one_or_more(_ref("clock")), **days}, required=["at"]),
        _trigger("time_pattern", {"hours": _UNIT, "minutes": _UNIT, "seconds": _UNIT}),
    ]


def _trigger(kind: str, keys: _Schema, *, required: Collection[str] = ()) -> _Schema:
    return _mapping({"trigger": {"const": kind}, "id": _TEXT, **keys}, required=["trigger", *required])


def _conditions() -> list[_Schema]:
    several = _one_or_more(_ref("condition"))
    days = _either("weekday", {"enum": list(WEEKDAYS)})
    time = {"condition": {"const": "time"}, "after": _ref("clock"), "before": _ref("clock"), **days}
    template = {"condition": {"const": "template"}, "value_template": _TEXT}
    trigger = {"condition": {"const": "trigger"}, **_either("id", _TEXT)}
    groups = [kind for kind in CONDITIONS if kind in {"and", "or", "not"}]
    return [
        {"type": "string", "pattern": "[{]"},
        _mapping(time, required=["condition"]),
        _mapping(template, required=["condition", "value_template"]),
        _mapping(trigger, required=["condition"]),
        _mapping(
            {"condition": {"enum": groups}, "conditions": several}, required=["condition", "conditions"]
        ),
        *(_mapping({kind: several}, required=[kind]) for kind in groups),
    ]


def _actions() -> list[_Schema]:
    several = _one_or_more(_ref("action"))
    when = _one_or_more(_ref("condition"))
    message = {
        "topic": _TEXT,
        "payload": {"type": ["string", "number", "object", "array", "null"]},
        "qos": {"enum": [0, 1, 2]},
        "retain": {"type": "boolean"},
    }
    option = {"conditions": when, "condition": when, "sequence": several}
    rounds = {
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_ROUNDS},
        "while": when,
        "until": when,
        "sequence": several,
    }
    branch = {"anyOf": [several, _mapping({"sequence": several}, required=["sequence"])]}
    empty = {"anyOf": [{"type": "null"}, _mapping({})]}
    return [
        _named(SAVE_CLIP, {"data": empty}),
        _named(MQTT_PUBLISH, {"data": _mapping(message, required=["topic"])}, required=["data"]),
        _mapping({"delay": _ref("duration")}, required=["delay"]),
        _mapping({"if": when, "then": several, "else": several}, required=["if", "then"]),
        _mapping(
            {"choose": _one_or_more(_mapping(option, required=["sequence"])), "default": several},
            required=["choose"],
        ),
        _mapping({"repeat": _mapping(rounds, required=["sequence"])}, required=["repeat"]),
        _mapping({"parallel": _one_or_more(branch)}, required=["parallel"]),
        _mapping({"sequence": several}, required=["sequence"]),
        _mapping({"stop": {"type": ["string", "null"]}}, required=["stop"]),
        _mapping({"variables": _VARIABLES}, required=["variables"]),
        _ref("condition"),
    ]


def _named(name: str, keys: _Schema, *, required: Collection[str] = ()) -> _Schema:
    known = {"action": {"const": name}, "continue_on_error": {"type": "boolean"}, **keys}
    return _mapping(known, required=["action", *required])


def _either(word: str, item: _Schema | None = None) -> _Schema:
    """Return a key in the singular and the plural, with one value or several."""
    values = _one_or_more(_ref(word) if item is None else item)
    return {word: values, f"{word}s": values}


def _offered(names: Collection[str]) -> _Schema:
    return {"anyOf": [{"enum": sorted(names)}, _TEXT]} if names else _TEXT


def _ref(name: str) -> _Schema:
    return {"$ref": f"#/$defs/{name}"}


def _one_or_more(item: _Schema, *, empty: bool = False) -> _Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 0 if empty else 1}]}


def _mapping(keys: _Schema, *, required: Collection[str] = ()) -> _Schema:
    return {
        "type": "object",
        "properties": keys,
        "required": list(required),
        "additionalProperties": False,
    }
