"""A rule file's own tests: what is heard and said, and what must follow, on a simulated clock."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

from detectors.types import Phase, SoundEvent, event_id
from rules.engine import Engine
from rules.facts import EntityState, Fact, MqttMessage, time_of
from rules.model import MQTT_PUBLISH, WEBHOOK, ActionRequest, Rule
from rules.state import EngineState
from rules.state_json import dump_state

PATIENCE_S = 3_600.0
"""How long a test goes on after the last thing that it is given, where it does not say."""

CLIP_URL = "clip:"
"""Clips are named so, with the profile behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSound:
    """A sound is heard."""

    profile: str
    stream: str
    score: float
    after_s: float
    lasts_s: float
    level_dbfs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenMessage:
    """Something is said on a topic."""

    topic: str
    payload: str
    retained: bool
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenState:
    """An entity of Home Assistant is in a state."""

    entity_id: str
    state: str
    attributes: Mapping[str, Any]
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenAudio:
    """A recording is played, and whatever is heard in it is heard."""

    file: Path
    stream: str
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenRestart:
    """The daemon is stopped and started again."""

    after_s: float


Given = GivenSound | GivenMessage | GivenState | GivenAudio | GivenRestart


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A request that must be made."""

    action: str
    rule: str = ""
    """Empty: any."""
    after_s: float | None = None
    """None: whenever."""
    data: Mapping[str, Any]
    """What must be among its data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One test."""

    name: str
    file: Path
    line: int
    rules: tuple[Rule, ...]
    """All those of its file."""
    begins: datetime
    """What the owner's clocks show at the beginning."""
    given: tuple[Given, ...]
    until_s: float | None
    expect: tuple[Expected, ...]


Hear = Callable[[GivenAudio, float], Sequence[SoundEvent]]
"""Takes a recording and the Unix seconds of its beginning; returns what is heard in it."""


def run_trial(trial: Trial, hear: Hear) -> list[str]:
    """Return everything that did not follow as expected; nothing: the test has passed."""
    begin = trial.begins.timestamp()
    zone = trial.begins.tzinfo
    assert zone is not None
    made = list(_requests(trial, _facts(trial, begin, hear), begin, zone))
    pairs = enumerate(zip(trial.expect, made, strict=False), start=1)
    found = ((number, _difference(expected, request, begin)) for number, (expected, request) in pairs)
    return [
        *(f"request {number}: {fault}" for number, fault in found if fault),
        *(f"{expected.action} was expected, and did not follow" for expected in trial.expect[len(made) :]),
        *(f"not expected: {_told(request, begin)}" for request in made[len(trial.expect) :]),
    ]


def _facts(trial: Trial, begin: float, hear: Hear) -> list[tuple[float, Fact | None]]:
    """Return what the engine hears and when, in order; None is a restart."""
    facts: list[tuple[float, Fact | None]] = []
    for given in trial.given:
        at = begin + given.after_s
        match given:
            case GivenSound():
                facts += [(time_of(end), end) for end in _both_ends(given, at)]
            case GivenMessage():
                message = MqttMessage(
                    topic=given.topic, payload=given.payload, at=at, retained=given.retained
                )
                facts.append((at, message))
            case GivenState():
                told = EntityState(
                    entity_id=given.entity_id, state=given.state, attributes=given.attributes, at=at
                )
                facts.append((at, told))
            case GivenAudio():
                facts += [(time_of(heard), heard) for heard in hear(given, at)]
            case GivenRestart():
                facts.append((at, None))
    return sorted(facts, key=lambda fact: fact[0])


def _both_ends(given: GivenSound, at: float) -> tuple[SoundEvent, SoundEvent]:
    started = SoundEvent(
        id=event_id(stream=given.stream, profile=given.profile, epoch_s=0.0, onset_sample=round(at * 16_000)),
        phase=Phase.STARTED,
        profile=given.profile,
        profile_version="test",
        stream=given.stream,
        epoch_s=0.0,
        onset_s=at,
        decided_s=at,
        end_s=None,
        score=given.score,
        level_dbfs=given.level_dbfs,
        noise_floor_dbfs=-60.0,
        speech=False,
    )
    end_s = at + given.lasts_s
    return started, replace(started, phase=Phase.ENDED, end_s=end_s, decided_s=end_s)


def _requests(
    trial: Trial, facts: Sequence[tuple[float, Fact | None]], begin: float, zone: tzinfo
) -> Iterator[ActionRequest]:
    engine = Engine(trial.rules, lambda event: CLIP_URL + event.profile, zone)
    state, due = engine.step(engine.initial_state(), None, begin)
    yield from due
    last = facts[-1][0] if facts else begin
    end = last + PATIENCE_S if trial.until_s is None else begin + trial.until_s
    for at, fact in [*facts, (end, None)]:
        if at > end:
            break
        while (wake := engine.next_wake(state)) is not None and wake <= at:
            state, due = engine.step(_confirmed(state, wake), None, wake)
            yield from due
        if fact is None:
            state = engine.restore(json.loads(json.dumps(dump_state(state), allow_nan=False)))
        else:
            state, due = engine.step(_confirmed(state, at), fact, at)
            yield from due


def _confirmed(state: EngineState, at: float) -> EngineState:
    """Let Home Assistant be there all the time."""
    return replace(state, confirmed_at=at)


def _difference(expected: Expected, request: ActionRequest, begin: float) -> str:
    """Return what is wrong with a request; empty: nothing."""
    if expected.action != request.action:
        return f"{expected.action} was expected, and it was {_told(request, begin)}"
    if expected.rule and expected.rule != request.rule_id:
        return f"rule {expected.rule} was expected, and it was {_told(request, begin)}"
    after_s = request.due_at - begin
    if expected.after_s is not None and not math.isclose(after_s, expected.after_s, abs_tol=1e-3):
        return f"{request.action} was expected after {expected.after_s:g} s, and came after {after_s:g} s"
    found = _shown_data(request)
    for key, wanted in expected.data.items():
        if key not in found:
            return f"{request.action} has no {key!r}"
        if not _same(wanted, found[key]):
            return f"{key} was {_short(found[key])}, expected {_short(wanted)}"
    return ""


def _shown_data(request: ActionRequest) -> Mapping[str, Any]:
    """Return a request's data as a rule writes them."""
    match request.action:
        case "heard.log":
            return request.data
        case action if action == WEBHOOK:
            return {**request.data, "payload": request.data["body"]}
        case action if "target" in request.data and action != MQTT_PUBLISH:
            return {**(request.data["data"] or {}), "target": request.data["target"]}
    return request.data


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict | list) and isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return False
    if isinstance(wanted, int | float) and isinstance(found, str) and not isinstance(wanted, bool):
        return str(wanted) == found
    return bool(wanted == found)


def _told(request: ActionRequest, begin: float) -> str:
    data = ", ".join(f"{key} {_short(value)}" for key, value in request.data.items())
    return f"{request.action} of rule {request.rule_id} after {request.due_at - begin:g} s" + (
        f" ({data})" if data else ""
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 120 else text[:117] + "..."
