"""The working copy of the engine's state during one step."""

from __future__ import annotations

from bisect import insort
from types import MappingProxyType
from typing import TYPE_CHECKING

from rules.state import EngineState, Onset, OnsetKey, Sounding, TriggerKey

if TYPE_CHECKING:
    from detectors.types import SoundEvent
    from rules.model import ActionRequest, Rule, SoundTrigger

_ROUNDING_S = 1e-6
"""Unix seconds as a float are good to a quarter of this."""


class Draft:
    """Changes while a step runs; the state it came from does not."""

    def __init__(self, state: EngineState) -> None:
        self._before = state
        self._sounding = list(state.sounding)
        self._onsets = dict(state.onsets)
        self._fired_at = dict(state.fired_at)
        self._held = list(state.held)

    def add_sounding(self, item: Sounding) -> None:
        """Wait for a sound to have gone on for long enough; the same event twice waits once."""
        key = (item.trigger, item.event.id)
        if all((other.trigger, other.event.id) != key for other in self._sounding):
            self._sounding.append(item)

    def end_sound(self, event: SoundEvent) -> None:
        """Stop waiting for a sound that ended before it was long enough."""
        self._sounding = [
            item for item in self._sounding if item.event.id != event.id or item.due_at <= event.decided_at
        ]

    def take_due(self, now: float) -> list[Sounding]:
        """Remove and return the sounds that are long enough by `now`, in order of time."""
        due = [item for item in self._sounding if item.due_at <= now]
        if due:
            self._sounding = [item for item in self._sounding if item.due_at > now]
        return sorted(due, key=lambda item: item.due_at)

    def completes(self, key: TriggerKey, trigger: SoundTrigger, event: SoundEvent) -> bool:
        """Note one more sound; tell whether it is the last that the trigger needs, and then begin anew."""
        if trigger.within_s is None:
            return True
        place = OnsetKey(key, event.stream)
        onsets = list(self._onsets.get(place, ()))
        if any(onset.event_id == event.id for onset in onsets):
            return False
        insort(onsets, Onset(event.onset_at, event.id))
        oldest = onsets[-1].at - trigger.within_s - _ROUNDING_S
        onsets = [onset for onset in onsets if onset.at >= oldest]
        if len(onsets) >= trigger.count:
            self._onsets.pop(place, None)
            return True
        self._onsets[place] = tuple(onsets)
        return False

    def cools_down(self, rule: Rule, at: float) -> bool:
        """Tell whether the rule fired too close to `at`: either way, as a stream that lags reports late."""
        last = self._fired_at.get(rule.id)
        return last is not None and abs(at - last) < rule.cooldown_s

    def note_firing(self, rule: Rule, at: float) -> None:
        """Begin the rule's cooldown."""
        if rule.cooldown_s > 0:
            self._fired_at[rule.id] = at

    def hold(self, request: ActionRequest) -> None:
        """Keep a request until it is due."""
        self._held.append(request)

    def finish(self, now: float) -> tuple[EngineState, tuple[ActionRequest, ...]]:
        """Return the new state and the requests that are due by `now`."""
        self._held.sort(key=lambda request: request.due_at)
        due = tuple(request for request in self._held if request.due_at <= now)
        state = EngineState(
            sounding=tuple(self._sounding),
            onsets=MappingProxyType(self._onsets),
            fired_at=MappingProxyType(self._fired_at),
            held=tuple(self._held[len(due) :]),
        )
        return (self._before if state == self._before else state), due
