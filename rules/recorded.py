"""What the rules of a daemon were told, moment by moment, and what rules make of it when told again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

from rules.engine import Engine
from rules.facts import Fact
from rules.model import ActionRequest, Rule
from rules.state import EngineState, deafened


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One step of the engine."""

    now: float
    """The engine's clock, Unix seconds."""
    fact: Fact | None
    """None: time alone made something happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """From here on these rules were in force."""

    now: float
    rules: str
    """Their digest."""
    deaf: bool
    """The daemon was started: whatever sounded before has ended unreported."""


Recorded = Told | Began


def rules_digest(rules: Iterable[Rule]) -> str:
    """Return what changes when any rule does."""
    digest = blake2b(digest_size=8)
    for rule in rules:
        digest.update(repr(rule).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def replay(
    engine: Engine, record: Iterable[Recorded], *, rules: str, until: float | None = None
) -> Iterator[ActionRequest]:
    """Run what was recorded through rules, whose digest is `rules`, up to `until`.

    Where the same rules were in force, every step is the one that was taken then, and so are the requests.
    Other rules wake when they would have.
    """
    state, same, now = engine.initial_state(), False, 0.0
    for moment in record:
        now = moment.now
        match moment:
            case Began():
                same = moment.rules == rules
                state = engine.adopt(deafened(state, now) if moment.deaf else state)
            case Told():
                if not same:
                    state, requests = _awake(engine, state, now)
                    yield from requests
                state, due = engine.step(state, moment.fact, now)
                yield from due
    if until is not None:
        _, requests = _awake(engine, state, until)
        yield from requests


def _awake(engine: Engine, state: EngineState, now: float) -> tuple[EngineState, list[ActionRequest]]:
    """Let everything happen that time alone makes happen by `now`."""
    requests: list[ActionRequest] = []
    while (wake := engine.next_wake(state)) is not None and wake <= now:
        # A clock that is not set yet is set at the first moment that is known.
        state, due = engine.step(state, None, wake or now)
        requests.extend(due)
    return state, requests
