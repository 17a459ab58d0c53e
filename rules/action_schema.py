"""The actions and the tests of rule files as JSON Schema."""

from __future__ import annotations

from collections.abc import Collection

from rules.model import COMMAND, DESCRIBE, EMIT, MQTT_PUBLISH, SAVE_CLIP, WEBHOOK
from rules.program import MAX_ROUNDS
from rules.request_grammar import HERE, MAX_PARTS, METHODS, OUR_DOMAINS, TARGET_KEYS
from rules.schema_words import PAYLOAD, SCORE, STATE, TEXT, VARIABLES, Schema, mapping, one_or_more, ref


def requests_schema() -> list[Schema]:
    """Return the actions that ask for something."""
    message = {
        "topic": TEXT,
        "payload": PAYLOAD,
        "qos": {"enum": [0, 1, 2]},
        "retain": {"type": "boolean"},
    }
    webhook = {
        "url": TEXT,
        "payload": PAYLOAD,
        "method": {"enum": list(METHODS)},
        "headers": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
    }
    command = {
        "command": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": MAX_PARTS},
        "timeout": ref("duration"),
    }
    derived = {"event": TEXT, "stream": TEXT, "score": {"type": ["number", "string"]}}
    nothing = {"anyOf": [{"type": "null"}, mapping({})]}
    call = {
        "action": {
            "allOf": [ref("entity"), {"not": {"pattern": f"^({'|'.join(OUR_DOMAINS)})[.]"}}],
        },
        "target": mapping(dict.fromkeys(TARGET_KEYS, one_or_more(TEXT))),
        "data": {"type": ["object", "null"]},
        "continue_on_error": {"type": "boolean"},
        "expires": ref("duration"),
    }
    return [
        _named(SAVE_CLIP, {"data": nothing}),
        _named(DESCRIBE, {"data": {"anyOf": [{"type": "null"}, mapping({"question": TEXT})]}}),
        _named(EMIT, {"data": mapping(derived, required=["event"])}, required=["data"]),
        _named(MQTT_PUBLISH, {"data": mapping(message, required=["topic"])}, required=["data"]),
        _named(WEBHOOK, {"data": mapping(webhook, required=["url"])}, required=["data"]),
        _named(COMMAND, {"data": mapping(command, required=["command"])}, required=["data"]),
        mapping(call, required=["action"]),
    ]


def steps_schema() -> list[Schema]:
    """Return the steps that steer."""
    several = one_or_more(ref("action"))
    when = one_or_more(ref("condition"))
    option = {"conditions": when, "condition": when, "sequence": several}
    rounds = {
        "count": {"type": "integer", "minimum": 1, "maximum": MAX_ROUNDS},
        "while": when,
        "until": when,
        "sequence": several,
    }
    branch = {"anyOf": [several, mapping({"sequence": several}, required=["sequence"])]}
    return [
        mapping({"delay": ref("duration")}, required=["delay"]),
        mapping({"if": when, "then": several, "else": several}, required=["if", "then"]),
        mapping(
            {"choose": one_or_more(mapping(option, required=["sequence"])), "default": several},
            required=["choose"],
        ),
        mapping({"repeat": mapping(rounds, required=["sequence"])}, required=["repeat"]),
        mapping({"parallel": one_or_more(branch)}, required=["parallel"]),
        mapping({"sequence": several}, required=["sequence"]),
        mapping({"stop": {"type": ["string", "null"]}}, required=["stop"]),
        mapping({"variables": VARIABLES}, required=["variables"]),
        ref("condition"),
    ]


def trial_schema() -> Schema:
    """Return a test of a rule file."""
    after = {"after": ref("duration")}
    sound = {
        "sound": TEXT,
        "stream": TEXT,
        "score": SCORE,
        "level_dbfs": {"type": "number"},
        "lasts": ref("duration"),
    }
    message = {
        "topic": TEXT,
        "payload": {"type": ["string", "number", "boolean", "object", "array", "null"]},
        "retained": {"type": "boolean"},
    }
    state = {"entity_id": ref("entity"), "state": STATE, "attributes": {"type": "object"}}
    given = {
        "anyOf": [
            mapping({**sound, **after}, required=["sound"]),
            mapping({**message, **after}, required=["topic", "payload"]),
            mapping({**state, **after}, required=["entity_id", "state"]),
            mapping({"audio": TEXT, "stream": TEXT, **after}, required=["audio"]),
            mapping({"restart": ref("duration")}, required=["restart"]),
        ]
    }
    expected = {"action": TEXT, "rule": TEXT, "data": {"type": "object"}, **after}
    keys = {
        "test": TEXT,
        "at": TEXT,
        "zone": TEXT,
        "given": one_or_more(given, empty=True),
        "until": ref("duration"),
        "expect": one_or_more(mapping(expected, required=["action"]), empty=True),
    }
    return mapping(keys, required=["test", "expect"])


def _named(name: str, keys: Schema, *, required: Collection[str] = ()) -> Schema:
    known = {"action": {"const": name}, "continue_on_error": {"type": "boolean"}, **keys}
    if name not in HERE:
        known["expires"] = ref("duration")
    return mapping(known, required=["action", *required])
