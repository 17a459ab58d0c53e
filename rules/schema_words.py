"""The pieces that the JSON Schema of rule files is made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
SCORE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
CLOCK: Schema = {"type": "string", "pattern": "^[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?$"}
UNITS = ("days", "hours", "minutes", "seconds", "milliseconds")
DURATION: Schema = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": 604_800},
        {"type": "string", "pattern": "^[0-9]{1,6}:[0-9]{1,2}(:[0-9]{1,2}([.][0-9]+)?)?$"},
        {
            "type": "object",
            "properties": {unit: {"type": "number", "minimum": 0} for unit in UNITS},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}
UNIT: Schema = {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 59}, {"type": "string"}]}
TEMPLATE: Schema = {"type": "string", "pattern": "[{]"}
SAID: Schema = {"type": ["string", "number"]}
STATE: Schema = {"anyOf": [TEXT, {"type": "number"}]}
PAYLOAD: Schema = {"type": ["string", "number", "object", "array", "null"]}
VARIABLES: Schema = {"type": "object"}


def either(word: str, item: Schema | None = None) -> Schema:
    """Return a key in the singular and the plural, with one value or several."""
    values = one_or_more(ref(word) if item is None else item)
    return {word: values, f"{word}s": values}


def offered(names: Collection[str]) -> Schema:
    """Return text, with names that are known offered."""
    return {"anyOf": [{"enum": sorted(names)}, TEXT]} if names else TEXT


def ref(name: str) -> Schema:
    """Return a reference to a definition."""
    return {"$ref": f"#/$defs/{name}"}


def one_or_more(item: Schema, *, empty: bool = False) -> Schema:
    """Return one thing or a list of them."""
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 0 if empty else 1}]}


def mapping(keys: Schema, *, required: Collection[str] = ()) -> Schema:
    """Return a mapping with these keys and no others."""
    return {
        "type": "object",
        "properties": keys,
        "required": list(required),
        "additionalProperties": False,
    }
