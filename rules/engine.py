"""The rule engine: pure, and on event time, so that live and replayed audio decide alike."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING

from detectors.types import Phase, SoundEvent
from rules.conditions import holds
from rules.draft import Draft
from rules.requests import Firing, requests_of
from rules.state import EngineState, Sounding, TriggerKey, load_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import tzinfo

    from rules.model import ActionRequest, Rule, SoundTrigger


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """One trigger, with the rule it belongs to."""

    order: int
    rule: Rule
    trigger: SoundTrigger
    key: TriggerKey


class Engine:
    """Decides what follows from each event. Holds the rules and nothing that changes.

    `clip_url` names the clip of an event, whether or not it is kept; `zone` is the owner's time zone.
    A step costs what the rules for the event's own profile and stream cost, however many others there are.
    """

    def __init__(self, rules: Iterable[Rule], clip_url: Callable[[SoundEvent], str], zone: tzinfo) -> None:
        self._clip_url = clip_url
        self._zone = zone
        self._rule_ids: set[str] = set()
        self._watches: dict[TriggerKey, _Watch] = {}
        self._by_sound: dict[tuple[str, str | None], list[_Watch]] = {}
        for rule in rules:
            if rule.enabled:
                self._add(rule)

    def initial_state(self) -> EngineState:
        """Return the state of an engine that has heard nothing yet."""
        return EngineState()

    def restore(self, data: object) -> EngineState:
        """Return a dumped state as `adopt` leaves it.

        Raises ValueError where `data` is not what `rules.state.dump_state` gave.
        """
        return self.adopt(load_state(data))

    def adopt(self, state: EngineState) -> EngineState:
        """Return another engine's state without what belongs to rules or triggers that are not here."""
        return EngineState(
            sounding=tuple(item for item in state.sounding if item.trigger in self._watches),
            onsets=MappingProxyType({k: v for k, v in state.onsets.items() if k.trigger in self._watches}),
            fired_at=MappingProxyType({k: v for k, v in state.fired_at.items() if k in self._rule_ids}),
            held=tuple(request for request in state.held if request.rule_id in self._rule_ids),
        )

    def step(
        self, state: EngineState, event: SoundEvent | None, now: float
    ) -> tuple[EngineState, tuple[ActionRequest, ...]]:
        """Take an event, or None for a tick of the clock, at `now`, Unix seconds of event time.

        Returns the new state, and the requests that are due by now, in the order in which they are due.
        """
        draft = Draft(state)
        if event is not None and event.phase is Phase.ENDED:
            draft.end_sound(event)
        self._wake(draft, now)
        if event is not None:
            self._hear(draft, event)
            self._wake(draft, now)
        return draft.finish(now)

    def next_wake(self, state: EngineState) -> float | None:
        """Return when, in event time, a step without an event has something to do; None for never."""
        times = [item.due_at for item in state.sounding] + [request.due_at for request in state.held[:1]]
        return min(times, default=None)

    def _add(self, rule: Rule) -> None:
        self._rule_ids.add(rule.id)
        for trigger in rule.triggers:
            digest = blake2b(repr(trigger).encode(), digest_size=4).hexdigest()
            key = TriggerKey(rule.id, digest)
            if key in self._watches:
                continue
            watch = _Watch(order=len(self._watches), rule=rule, trigger=trigger, key=key)
            self._watches[key] = watch
            for profile in dict.fromkeys(trigger.profiles):
                for stream in dict.fromkeys(trigger.streams or (None,)):
                    self._by_sound.setdefault((profile, stream), []).append(watch)

    def _matching(self, event: SoundEvent) -> Iterator[_Watch]:
        watches = [
            watch
            for stream in (None, event.stream)
            for watch in self._by_sound.get((event.profile, stream), ())
            if watch.trigger.phase is event.phase
            and (watch.trigger.above is None or event.score > watch.trigger.above)
        ]
        yield from sorted(watches, key=lambda watch: watch.order)

    def _hear(self, draft: Draft, event: SoundEvent) -> None:
        fired: set[str] = set()
        for watch in self._matching(event):
            if watch.rule.id in fired:
                continue
            enough_at = event.onset_at + watch.trigger.for_s
            heard_until = event.decided_at if event.ended_at is None else event.ended_at
            if enough_at <= heard_until:
                if self._count(draft, watch, event, at=event.decided_at):
                    fired.add(watch.rule.id)
            elif event.phase is Phase.STARTED:
                draft.add_sounding(Sounding(trigger=watch.key, event=event, due_at=enough_at))

    def _wake(self, draft: Draft, now: float) -> None:
        for item in draft.take_due(now):
            watch = self._watches[item.trigger]
            self._count(draft, watch, item.event, at=item.due_at)

    def _count(self, draft: Draft, watch: _Watch, event: SoundEvent, *, at: float) -> bool:
        """Note a sound that satisfies the trigger; tell whether it made the rule fire."""
        rule = watch.rule
        if not draft.completes(watch.key, watch.trigger, event) or draft.cools_down(rule, at):
            return False
        if not all(holds(condition, at, self._zone) for condition in rule.conditions):
            return False
        draft.note_firing(rule, at)
        firing = Firing(rule=rule, trigger_digest=watch.key.digest, event=event, at=at)
        for request in requests_of(firing, clip_url=self._clip_url, zone=self._zone):
            draft.hold(request)
        return True
