"""What topics and payloads look like."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.types import Phase, SoundEvent
from foundation.errors import ActionError
from integrations.topics import (
    Topics,
    caption_payload,
    check_topic,
    event_payload,
    level_payload,
    payload_text,
    topic_id,
)

AWKWARD_NAMES = [
    "Küche",
    "Kuche",
    "厨房",
    "卧室",
    "a/b",
    "a_b",
    "a+b",
    "a#b",
    "",
    " ",
    "listen",
    "Straße",
    "x" * 99,
]


def sound(**changes: Any) -> SoundEvent:
    values: dict[str, Any] = {
        "id": "00ff",
        "phase": Phase.STARTED,
        "profile": "glass breaking",
        "profile_version": "v1",
        "stream": "kitchen",
        "epoch_s": 1_700_000_000.0,
        "onset_s": 10.0,
        "decided_s": 10.2,
        "end_s": None,
        "score": 0.91234,
        "level_dbfs": -20.0,
        "noise_floor_dbfs": -60.0,
        "speech": False,
    }
    return SoundEvent(**{**values, **changes})


@settings(deadline=None)
@given(st.text())
def test_an_id_is_plain_and_stable(name: str) -> None:
    """Whatever the owner calls a thing, its id has only letters that every MQTT client can take."""
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", topic_id(name))
    assert topic_id(name) == topic_id(name)
    assert len(topic_id(name)) <= 60


@settings(deadline=None)
@given(st.lists(st.text(), unique=True, max_size=50))
def test_different_names_stay_different(names: list[str]) -> None:
    """No two names share a topic."""
    assert len({topic_id(name) for name in names}) == len(names)


def test_awkward_names_stay_different_and_readable() -> None:
    """Umlauts, Chinese and slashes become plain without falling together; plain names stay as they are."""
    assert len({topic_id(name) for name in AWKWARD_NAMES}) == len(AWKWARD_NAMES)
    assert topic_id("Küche").startswith("Kuche-")
    assert topic_id("finger_snap") == "finger_snap"


def test_a_name_that_looks_like_another_ones_id_gets_an_id_of_its_own() -> None:
    """Choosing the id of a neighbour as a name does not take over its topic."""
    assert topic_id(topic_id("Küche")) != topic_id("Küche")


@pytest.mark.parametrize("topic", ["", "a/+/b", "a/#", "a\0b", "a\ud800", "x" * 70_000])
def test_what_nobody_can_publish_to_is_refused(topic: str) -> None:
    """Wildcards and malformed topics are errors with a reason."""
    with pytest.raises(ActionError, match=r"topic"):
        check_topic(topic)


def test_topics_lie_under_prefix_and_node() -> None:
    """One topic for each microphone and meaning."""
    topics = Topics(prefix="home/heard", node="hub")
    assert topics.available == "home/heard/hub/available"
    assert topics.event("kitchen") == "home/heard/hub/kitchen/event"
    assert topics.state("kitchen", "siren") == "home/heard/hub/kitchen/siren/state"


def test_the_event_payload_says_what_was_heard_when_and_how_sure() -> None:
    """The JSON carries the fact in UTC, and event_type is the profile, as Home Assistant expects."""
    payload = event_payload(sound(), clip_url="http://hub/x.flac")
    assert payload == {
        "event_type": "glass breaking",
        "id": "00ff",
        "phase": "started",
        "stream": "kitchen",
        "score": 0.9123,
        "started": "2023-11-14T22:13:30.000+00:00",
        "ended": None,
        "level_dbfs": -20.0,
        "noise_floor_dbfs": -60.0,
        "speech": False,
        "verified": None,
        "caption": None,
        "transcript": None,
        "decided_by": "profiles",
        "clip": "http://hub/x.flac",
        "profile_version": "v1",
    }


def test_digital_silence_is_still_json() -> None:
    """Minus infinity has no JSON form: it becomes null."""
    payload = event_payload(sound(level_dbfs=float("-inf"), end_s=11.0), clip_url=None)
    assert payload["level_dbfs"] is None
    assert payload["ended"] == "2023-11-14T22:13:31.000+00:00"
    json.dumps(payload, allow_nan=False)
    assert level_payload(level_dbfs=float("-inf"), noise_floor_dbfs=-50.123) == {
        "dbfs": None,
        "floor": -50.12,
    }


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ("on", "on"),
        (None, ""),
        (True, "true"),
        (3, "3"),
        ({"a": "ü"}, '{"a": "ü"}'),
        ([1, None], "[1, null]"),
    ],
)
def test_a_rules_payload_goes_out_as_text_or_json(payload: object, text: str) -> None:
    """Text stays text; everything else is JSON."""
    assert payload_text(payload) == text


@pytest.mark.parametrize("payload", [float("nan"), object(), {"x": {1}}])
def test_a_payload_that_json_cannot_hold_is_refused(payload: object) -> None:
    """The error names JSON."""
    with pytest.raises(ActionError, match="JSON"):
        payload_text(payload)


def test_the_caption_payload_says_what_was_said_of_which_sound() -> None:
    """What the model said, why it was asked, and the sound's id, under the stream's own topic."""
    payload = caption_payload(sound(), caption="a pane breaks", question="what?", rule="glass")
    assert payload == {
        "event_type": "glass breaking",
        "id": "00ff",
        "stream": "kitchen",
        "started": "2023-11-14T22:13:30.000+00:00",
        "rule": "glass",
        "question": "what?",
        "caption": "a pane breaks",
    }
    assert Topics(prefix="heard", node="hub").caption("kitchen") == "heard/hub/kitchen/caption"


def test_no_two_of_many_names_in_other_letters_share_an_id() -> None:
    """Of a name in Chinese, Greek or signs alone nothing can be kept but the hash; that has to be enough."""
    names = [chr(first) + chr(second) for first in range(0x4E00, 0x4E96) for second in range(0x391, 0x3A0)]
    names += [f"{name} / {sign}" for name in ("Küche", "Kuche", "Ku\u0308che") for sign in "!? ~"]
    assert len({topic_id(name) for name in names}) == len(names)


def test_a_topic_means_one_thing_whatever_things_are_called() -> None:
    """Streams, rules and profiles with the names of each other's levels never meet on a topic."""
    topics = Topics(prefix="heard", node="hub")
    names = ["rules", "profiles", "listen", "state", "set", "enabled", "threshold", "stats", "result", "a/b"]
    meanings = [topics.available, topics.stats, topics.feedback, topics.teach]
    for name in names:
        meanings += [topics.status(name), topics.health(name), topics.event(name), topics.level(name)]
        meanings += [topics.listen_set(name), topics.listen_state(name), topics.caption(name)]
        meanings += [topics.rule_set(name), topics.rule_state(name)]
        meanings += [topics.threshold_set(name), topics.threshold_state(name)]
        meanings += [topics.state(name, other) for other in names]
    assert len(set(meanings)) == len(meanings)
