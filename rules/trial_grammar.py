"""The tests of a rule file, and what each of them becomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from foundation.wording import describe
from foundation.yaml_document import YamlDocument
from rules.model import Rule
from rules.outside_grammar import read_state
from rules.reading import Node, read_each, read_key
from rules.trial import (
    Expected,
    Given,
    GivenAudio,
    GivenMessage,
    GivenRestart,
    GivenSound,
    GivenState,
    Trial,
)

TRIAL_KEYS = ("test", "at", "zone", "given", "until", "expect")
GIVEN_KEYS: Mapping[str, tuple[str, ...]] = {
    "sound": ("sound", "stream", "score", "level_dbfs", "after", "lasts"),
    "topic": ("topic", "payload", "retained", "after"),
    "entity_id": ("entity_id", "state", "attributes", "after"),
    "audio": ("audio", "stream", "after"),
    "restart": ("restart",),
}
EXPECTED_KEYS = ("action", "rule", "after", "data")

MONDAY = "2026-01-05 12:00:00"
"""When a test begins that does not say."""
STREAM = "room"
SCORE = 0.9
LEVEL_DBFS = -20.0
LASTS_S = 1.0


def read_trial(node: Node, rules: tuple[Rule, ...]) -> Trial | None:
    """Make a test of a mapping; None where anything in it was refused."""
    before = len(node.problems)
    keys = node.entries(TRIAL_KEYS)
    if keys is None:
        return None
    for required, purpose in (("test", "what it shows"), ("expect", "what must follow, or []")):
        if required not in keys:
            node.refuse(f"{required!r} is missing: {purpose}")
    zone = read_key(keys, "zone", _zone, ZoneInfo("UTC"))
    begins = read_key(keys, "at", _moment, datetime.fromisoformat(MONDAY))
    line, _ = node.document.position(node.loc)
    trial = Trial(
        name=read_key(keys, "test", Node.text, ""),
        file=node.document.path,
        line=line,
        rules=rules,
        begins=begins.replace(tzinfo=zone),
        given=read_each(keys.get("given"), _given),
        until_s=keys["until"].seconds() if "until" in keys else None,
        expect=read_each(keys.get("expect"), lambda item: _expected(item, rules)),
    )
    return trial if len(node.problems) == before else None


def _zone(node: Node) -> ZoneInfo | None:
    name = node.text()
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        node.refuse(f"there is no time zone {name!r}: write for example Europe/Berlin")
        return None


def _moment(node: Node) -> datetime | None:
    text = node.text()
    try:
        moment = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if text is not None and (moment is None or moment.tzinfo is not None):
        node.refuse(f'expected a date and a time such as "{MONDAY}", found {describe(text)}')
        return None
    return moment


def _given(node: Node) -> Given | None:
    kind = next((key for key in GIVEN_KEYS if isinstance(node.value, dict) and key in node.value), None)
    if kind is None:
        node.refuse(f"expected one of {', '.join(GIVEN_KEYS)}, found {describe(node.value)}")
        return None
    keys = node.entries(GIVEN_KEYS[kind]) or {}
    after_s = read_key(keys, "after", Node.seconds, 0.0)
    return _GIVEN[kind](node, keys, after_s)


def _sound(_node: Node, keys: Mapping[str, Node], after_s: float) -> GivenSound | None:
    profile = keys["sound"].text()
    if profile is None:
        return None
    return GivenSound(
        profile=profile,
        stream=read_key(keys, "stream", Node.text, STREAM),
        score=read_key(keys, "score", lambda item: item.number(0, 1), SCORE),
        after_s=after_s,
        lasts_s=read_key(keys, "lasts", Node.seconds, LASTS_S),
        level_dbfs=read_key(keys, "level_dbfs", lambda item: item.number(-200, 20), LEVEL_DBFS),
    )


def _message(node: Node, keys: Mapping[str, Node], after_s: float) -> GivenMessage | None:
    topic = keys["topic"].text()
    if "payload" not in keys:
        node.refuse("'payload' is missing: what is said")
    if topic is None or "payload" not in keys:
        return None
    payload = plain(keys["payload"])
    return GivenMessage(
        topic=topic,
        payload=payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False),
        retained=read_key(keys, "retained", Node.flag, default=False),
        after_s=after_s,
    )


def _state(node: Node, keys: Mapping[str, Node], after_s: float) -> GivenState | None:
    entity_id = keys["entity_id"].text()
    if "state" not in keys:
        node.refuse("'state' is missing: which state it is in")
    state = read_key(keys, "state", read_state, "")
    attributes = plain(keys["attributes"]) if "attributes" in keys else {}
    if not isinstance(attributes, dict):
        keys["attributes"].refuse(f"expected a mapping, found {describe(attributes)}")
        return None
    return (
        None
        if entity_id is None
        else GivenState(entity_id=entity_id, state=state, attributes=attributes, after_s=after_s)
    )


def _audio(node: Node, keys: Mapping[str, Node], after_s: float) -> GivenAudio | None:
    name = keys["audio"].text()
    if name is None:
        return None
    file = node.document.path.parent / name
    if not file.is_file():
        keys["audio"].refuse(f"there is no file {str(file)!r}")
    return GivenAudio(file=file, stream=read_key(keys, "stream", Node.text, STREAM), after_s=after_s)


def _restart(_node: Node, keys: Mapping[str, Node], _after_s: float) -> GivenRestart | None:
    after_s = keys["restart"].seconds()
    return None if after_s is None else GivenRestart(after_s=after_s)


_GIVEN: Mapping[str, Callable[[Node, Mapping[str, Node], float], Given | None]] = {
    "sound": _sound,
    "topic": _message,
    "entity_id": _state,
    "audio": _audio,
    "restart": _restart,
}


def _expected(node: Node, rules: tuple[Rule, ...]) -> Expected | None:
    keys = node.entries(EXPECTED_KEYS)
    if keys is None:
        return None
    if "action" not in keys:
        node.refuse("'action' is missing: what must follow")
    rule = read_key(keys, "rule", Node.text, "")
    if rule and rule not in {each.id for each in rules}:
        keys["rule"].refuse(f"no rule of this file has the id {rule!r}")
    data = plain(keys["data"]) if "data" in keys else {}
    if not isinstance(data, dict):
        keys["data"].refuse(f"expected a mapping, found {describe(data)}")
        return None
    return Expected(
        action=read_key(keys, "action", Node.text, ""),
        rule=rule,
        after_s=keys["after"].seconds() if "after" in keys else None,
        data=data,
    )


def plain(node: Node) -> Any:
    """Return a value as it is, with what it includes."""
    return _plain(node.value)


def _plain(value: Any) -> Any:
    match value:
        case YamlDocument():
            return _plain(value.data)
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
    return value
