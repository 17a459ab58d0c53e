"""The triggers of a rule file, and what each of them becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detectors.types import HOP_S, Phase
from rules.clock_grammar import read_pattern, read_time
from rules.model import (
    MqttTrigger,
    SequenceTrigger,
    SilenceTrigger,
    SoundPattern,
    SoundTrigger,
    StateTrigger,
)
from rules.outside_grammar import (
    read_entities,
    read_payload_text,
    read_state,
    read_topic,
    read_value_template,
)
from rules.reading import Node, kind_of, read_each, read_key
from rules.scope import read_name, read_profiles, read_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rules.model import Trigger
    from rules.scope import Scope

SOUND_KEYS = (
    "trigger", "id", "profile", "stream", "above", "below", "for", "count", "within", "phase",
)  # fmt: skip
SEQUENCE_KEYS = ("trigger", "id", "sounds", "within", "same_stream", "without")
STEP_KEYS = ("profile", "stream", "above", "below")
SILENCE_KEYS = ("trigger", "id", "profile", "stream", "for", "after")

MQTT_KEYS = ("trigger", "id", "topic", "payload", "value_template")
STATE_KEYS = ("trigger", "id", "entity_id", "from", "to", "for")

TRIGGERS = ("sound", "sequence", "silence", "mqtt", "state", "time", "time_pattern")
LATER_TRIGGERS = ("template", "numeric_state", "event", "webhook", "sun", "calendar", "device")
MAX_COUNT = 100
MAX_STEPS = 20

_ALSO = {"profiles": "profile", "streams": "stream"}


def read_trigger(node: Node, scope: Scope) -> Trigger | None:  # noqa: PLR0911 - one for each kind
    """Make a trigger; None where it was refused."""
    match kind_of(node, "trigger", TRIGGERS, LATER_TRIGGERS, old_key="platform"):
        case "sound":
            return _sound(node, scope)
        case "sequence":
            return _sequence(node, scope)
        case "silence":
            return _silence(node, scope)
        case "mqtt":
            return _mqtt(node, scope)
        case "state":
            return _state(node)
        case "time":
            return read_time(node)
        case "time_pattern":
            return read_pattern(node)
    return None


# --- sounds -----------------------------------------------------------------------------------------------


def _sound(node: Node, scope: Scope) -> SoundTrigger:
    keys = node.entries(SOUND_KEYS, also=_ALSO) or {}
    count = read_key(keys, "count", lambda item: item.whole(1, MAX_COUNT), 1)
    within_s = keys["within"].seconds() if "within" in keys else None
    _check_repetition(keys, count, within_s)
    above, below = _bounds(keys)
    return SoundTrigger(
        id=read_key(keys, "id", read_name, ""),
        profiles=_profiles(node, keys, scope),
        streams=_streams(keys, scope),
        above=above,
        below=below,
        phase=Phase(read_key(keys, "phase", lambda item: item.choice(("started", "ended")), "started")),
        for_s=read_key(keys, "for", Node.seconds, 0.0),
        count=count,
        within_s=within_s,
    )


def _check_repetition(keys: Mapping[str, Node], count: int, within_s: float | None) -> None:
    if "count" in keys and count > 1 and "within" not in keys:
        keys["count"].refuse("'count' needs 'within': how close together the sounds must be", key=True)
    if "within" in keys and count == 1:
        keys["within"].refuse("'within' needs 'count': how many sounds there must be, 2 or more", key=True)
    elif within_s == 0:
        keys["within"].refuse("expected a duration longer than nothing")
    elif within_s is not None and within_s < (count - 1) * HOP_S:
        keys["within"].warn(
            f"never: sounds are told apart in steps of {HOP_S * 1000:.0f} ms, so {count} take longer"
        )


def _profiles(node: Node, keys: Mapping[str, Node], scope: Scope) -> tuple[str, ...]:
    if "profile" not in keys:
        node.refuse("'profile' is missing: which sound to listen for")
    read = read_each(keys.get("profile"), lambda item: read_profiles(item, scope), at_least_one="profile")
    return tuple(name for names in read for name in names)


def _streams(keys: Mapping[str, Node], scope: Scope) -> tuple[str, ...]:
    return read_each(
        keys.get("stream"),
        lambda item: read_stream(item, scope),
        at_least_one="stream (leave the key out for every stream)",
    )


def _bounds(keys: Mapping[str, Node]) -> tuple[float | None, float | None]:
    above = keys["above"].number(0, 1e9) if "above" in keys else None
    below = keys["below"].number(0, 1) if "below" in keys else None
    if above is not None and above >= 1:
        percent = f"; did you mean {above / 100:g}?" if 1 < above < 100 else ""
        keys["above"].warn(f"never: no score is greater than 1{percent}")
    elif below == 0:
        keys["below"].warn("never: no score is less than 0")
    elif above is not None and below is not None and above >= below:
        keys["below"].warn(f"never: no score is both greater than {above:g} and less than {below:g}")
    return above, below


def _sequence(node: Node, scope: Scope) -> SequenceTrigger:
    keys = node.entries(SEQUENCE_KEYS) or {}
    for required, purpose in (("sounds", "which follow one another"), ("within", "in how much time")):
        if required not in keys:
            node.refuse(f"{required!r} is missing: {purpose}")
    steps = read_each(keys.get("sounds"), lambda item: _step(item, scope), at_least_one="sound")
    within_s = read_key(keys, "within", Node.seconds, 0.0)
    without = _step(keys["without"], scope) if "without" in keys else None
    if "sounds" in keys and keys["sounds"].value not in (None, []):
        named = sum(1 for _ in keys["sounds"].items())
        if not 2 <= named <= MAX_STEPS:
            keys["sounds"].refuse(f"expected 2 to {MAX_STEPS} sounds, one after another, found {named}")
    if "within" in keys and len(steps) > 1 and within_s < (len(steps) - 1) * HOP_S:
        keys["within"].warn(f"never: sounds are told apart in steps of {HOP_S * 1000:.0f} ms")
    if without is not None and any(_always_ends(without, step) for step in steps[1:]):
        keys["without"].warn("never: a later sound of the sequence is itself one that must not come")
    return SequenceTrigger(
        id=read_key(keys, "id", read_name, ""),
        steps=steps,
        within_s=within_s,
        same_stream=read_key(keys, "same_stream", Node.flag, default=False),
        without=without,
    )


def _always_ends(without: SoundPattern, step: SoundPattern) -> bool:
    anywhere = not without.streams and without.above is None and without.below is None
    return anywhere and set(step.profiles) <= set(without.profiles)


def _step(node: Node, scope: Scope) -> SoundPattern | None:
    """Read one sound of a sequence: a profile, a list of them, or a mapping with more."""
    if not isinstance(node.value, dict):
        read = read_each(node, lambda item: read_profiles(item, scope), at_least_one="profile")
        return SoundPattern(profiles=tuple(name for names in read for name in names)) if read else None
    keys = node.entries(STEP_KEYS, also=_ALSO) or {}
    above, below = _bounds(keys)
    profiles = _profiles(node, keys, scope)
    return SoundPattern(profiles=profiles, streams=_streams(keys, scope), above=above, below=below)


def _silence(node: Node, scope: Scope) -> SilenceTrigger:
    keys = node.entries(SILENCE_KEYS, also=_ALSO) or {}
    for_s = read_key(keys, "for", Node.seconds, 0.0)
    if "for" not in keys:
        node.refuse("'for' is missing: how long it must have been silent")
    elif for_s == 0 and keys["for"].value in (0, 0.0):
        keys["for"].refuse("expected a duration longer than nothing")
    return SilenceTrigger(
        id=read_key(keys, "id", read_name, ""),
        profiles=_profiles(node, keys, scope),
        streams=_streams(keys, scope),
        for_s=for_s,
        ran_s=read_key(keys, "after", Node.seconds, 0.0),
    )


# --- messages and states ----------------------------------------------------------------------------------


def _mqtt(node: Node, scope: Scope) -> MqttTrigger | None:
    keys = node.entries(MQTT_KEYS) or {}
    topic = read_topic(node, keys, wildcards=True)
    template = read_value_template(keys, scope)
    if topic is None:
        return None
    return MqttTrigger(
        id=read_key(keys, "id", read_name, ""),
        topic=topic,
        payload=read_key(keys, "payload", read_payload_text, None),
        template=template,
    )


def _state(node: Node) -> StateTrigger:
    keys = node.entries(STATE_KEYS, also={"entity_ids": "entity_id"}) or {}
    entities = read_entities(node, keys)
    from_states = read_each(keys.get("from"), read_state, at_least_one="state")
    to_states = read_each(keys.get("to"), read_state, at_least_one="state")
    if from_states and set(from_states) == set(to_states) and len(from_states) == 1:
        keys["to"].warn("never: a change is one to another state, and 'from' and 'to' are the same")
    return StateTrigger(
        id=read_key(keys, "id", read_name, ""),
        entities=entities,
        from_states=from_states,
        to_states=to_states,
        for_s=read_key(keys, "for", Node.seconds, 0.0),
    )
