"""Rules on a simulated clock: what would have happened, as fast as it goes."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from detectors.types import HOP_S, Phase
from rules.facts import Fact, time_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from detectors.types import SoundEvent
    from rules.engine import Engine
    from rules.model import ActionRequest


def simulate(
    engine: Engine, facts: Iterable[Fact], *, since: float | None = None, until: float | None = None
) -> Iterator[ActionRequest]:
    """Run facts in the order in which they came, from `since` to `until`, and wake for whatever is due."""
    state = engine.initial_state()
    if since is not None:
        state, requests = engine.step(state, None, since)
        yield from requests
    now = -math.inf
    for fact in chain(facts, (None,)):
        now = max(now, (until or now) if fact is None else time_of(fact))
        while (wake := engine.next_wake(state)) is not None and 0 < wake <= now:
            state, requests = engine.step(state, None, wake)
            yield from requests
        if fact is not None:
            state, requests = engine.step(state, fact, now)
            yield from requests


def both_ends(sounds: Iterable[SoundEvent]) -> list[SoundEvent]:
    """Return starts and ends of sounds of which only the last word is known, in the order of decision.

    Each starts one hop after its onset, with the score of the whole sound: how early it was recognised, and
    with how much, is not remembered.
    """
    events = []
    for sound in sounds:
        started = replace(sound, phase=Phase.STARTED, end_s=None, decided_s=sound.onset_s + HOP_S)
        events.append(started)
        if sound.phase is Phase.ENDED:
            events.append(sound)
    return sorted(events, key=lambda event: (event.decided_at, event.id, event.phase))
