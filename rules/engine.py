"""The rule engine: pure, and on event time, so that live and replayed audio decide alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import tzinfo
from types import MappingProxyType
from typing import Any, TypeVar

from detectors.types import SoundEvent
from rules.context import House
from rules.draft import Draft
from rules.facts import Confirmation, Fact
from rules.hearing import hear, hear_first
from rules.index import Index
from rules.model import ActionRequest, Rule
from rules.program import digest
from rules.state import EngineState, Place, due_times
from rules.state_json import load_state
from rules.step import Step
from rules.verdict import Verdict
from rules.waking import set_clocks, wake

_Row = TypeVar("_Row")


class Engine:
    """Decides what follows from each fact. Holds the rules and nothing that changes.

    `clip_url` names the clip of an event, whether or not it is kept; `zone` is the owner's time zone; `note`
    is told what each rule made of what concerned it. The rules in `disabled` follow what happens, and do not
    fire. A step costs what the rules for the fact's own profile, topic or entity cost, however many others
    there are.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        clip_url: Callable[[SoundEvent], str],
        zone: tzinfo,
        *,
        note: Callable[[Verdict], None] | None = None,
        disabled: frozenset[str] = frozenset(),
    ) -> None:
        self._house = House(clip_url=clip_url, zone=zone)
        self._note = note
        self._disabled = disabled
        self._index = Index(rules)

    @property
    def topics(self) -> frozenset[str]:
        """The topics of MQTT, wildcards and all, that the rules have to hear about."""
        return self._index.topics

    @property
    def entities(self) -> frozenset[str]:
        """The entities of Home Assistant that the rules have to hear about."""
        return self._index.entities

    def initial_state(self) -> EngineState:
        """Return the state of an engine that has heard nothing yet."""
        return self.adopt(EngineState())

    def restore(self, data: object) -> EngineState:
        """Return a dumped state as `adopt` leaves it.

        Raises ValueError where `data` is not what `rules.state_json.dump_state` gave.
        """
        return self.adopt(load_state(data))

    def adopt(self, state: EngineState) -> EngineState:
        """Return another engine's state without what belongs to rules, triggers or actions not here.

        What a disabled rule had begun ends as well.
        """
        index = self._index
        watched = index.watches.__contains__
        adopted = EngineState(
            sounding=_kept(state.sounding, lambda waiting: watched(waiting.trigger)),
            onsets=_kept(state.onsets, self._watches_place),
            partials=_kept(state.partials, self._watches_place),
            running=_kept(state.running, self._watches_place),
            alarms=_kept(state.alarms, watched),
            fired_at=_kept(state.fired_at, index.rules.__contains__),
            kept_at=_kept(state.kept_at, index.rules.__contains__),
            runs=MappingProxyType(dict(self._adopted_runs(state))),
            messages=_kept(state.messages, index.topics_kept.__contains__),
            entities=_kept(state.entities, index.entities.__contains__),
            confirmed_at=state.confirmed_at,
            holding=_kept(state.holding, lambda held: watched(held.trigger)),
        )
        # A clock that is not set yet wakes the engine at once.
        unset = len(adopted.alarms) < len(index.clocks)
        return replace(adopted, wake_at=0.0 if unset else min(due_times(adopted), default=None))

    def step(
        self, state: EngineState, fact: Fact | None, now: float
    ) -> tuple[EngineState, tuple[ActionRequest, ...]]:
        """Take a fact, or None for a tick of the clock, at `now`, Unix seconds of event time.

        Returns the new state, and the requests that are due by now, in the order in which they are due.
        """
        index = self._index
        watches = () if fact is None else index.concerned(fact)
        if not (watches or self._remembers(fact)) and (state.wake_at is None or state.wake_at > now):
            return state, ()
        draft = Draft(state, now)
        step = Step(draft, index, self._house, self._note, self._disabled)
        if len(state.alarms) < len(index.clocks):
            set_clocks(step, now)
        if fact is not None:
            hear_first(step, watches, fact)
        wake(step, now)
        if fact is not None:
            hear(step, watches, fact)
            wake(step, now)
        return draft.finish()

    def next_wake(self, state: EngineState) -> float | None:
        """Return when, in event time, a step without an event has something to do; None for never."""
        return state.wake_at

    def _remembers(self, fact: Fact | None) -> bool:
        """Tell whether a fact changes what conditions and templates see."""
        match fact:
            case None | SoundEvent():
                return False
            case Confirmation():
                return bool(self._index.entities)
        return True

    def _watches_place(self, place: Place) -> bool:
        return place.trigger in self._index.watches

    def _adopted_runs(self, state: EngineState) -> Iterator[tuple[str, Any]]:
        for rule_id, runs in state.runs.items():
            rule = self._index.rules.get(rule_id)
            program = "" if rule is None or rule_id in self._disabled else digest(rule.actions)
            if kept := tuple(run for run in runs if run.program == program):
                yield rule_id, kept


def _kept(rows: Mapping[_Row, Any], belongs: Callable[[_Row], bool]) -> Mapping[_Row, Any]:
    return MappingProxyType({key: value for key, value in rows.items() if belongs(key)})
