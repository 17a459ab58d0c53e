"""The rule engine: pure, and on event time, so that live and replayed audio decide alike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from detectors.types import Phase, SoundEvent
from rules.calendar import next_match, next_time
from rules.context import House
from rules.draft import Draft
from rules.firing import Firing, fire, go_on
from rules.model import (
    PatternTrigger,
    SequenceTrigger,
    SilenceTrigger,
    SoundPattern,
    SoundTrigger,
    TimeTrigger,
)
from rules.program import digest
from rules.state import Cause, EngineState, Place, Sounding, TriggerKey, Waiting, due_times
from rules.state_json import load_state
from rules.verdict import Verdict
from rules.watching import completes_count, completes_sequence, follow_running, ran_long_enough, score_fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import tzinfo

    from rules.model import ActionRequest, Rule, Trigger

LATE_S = 60.0
"""A time of day that was missed by more is not made up for."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """One trigger, with the rule it belongs to."""

    order: int
    rule: Rule
    trigger: Trigger
    key: TriggerKey


class Engine:
    """Decides what follows from each event. Holds the rules and nothing that changes.

    `clip_url` names the clip of an event, whether or not it is kept; `zone` is the owner's time zone; `note`
    is told what each rule made of what concerned it. A step costs what the rules for the event's own profile
    and stream cost, however many others there are.
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        clip_url: Callable[[SoundEvent], str],
        zone: tzinfo,
        *,
        note: Callable[[Verdict], None] | None = None,
    ) -> None:
        self._house = House(clip_url=clip_url, zone=zone)
        self._note = note
        self._rules: dict[str, Rule] = {}
        self._watches: dict[TriggerKey, _Watch] = {}
        self._clocks: dict[TriggerKey, _Watch] = {}
        self._by_sound: dict[tuple[str, str | None], dict[TriggerKey, _Watch]] = {}
        for rule in rules:
            if rule.enabled:
                self._add(rule)

    def initial_state(self) -> EngineState:
        """Return the state of an engine that has heard nothing yet."""
        return self.adopt(EngineState())

    def restore(self, data: object) -> EngineState:
        """Return a dumped state as `adopt` leaves it.

        Raises ValueError where `data` is not what `rules.state_json.dump_state` gave.
        """
        return self.adopt(load_state(data))

    def adopt(self, state: EngineState) -> EngineState:
        """Return another engine's state without what belongs to rules, triggers or actions not here."""
        adopted = EngineState(
            sounding=_kept(state.sounding, lambda waiting: waiting.trigger in self._watches),
            onsets=_kept(state.onsets, self._watches_place),
            partials=_kept(state.partials, self._watches_place),
            running=_kept(state.running, self._watches_place),
            alarms=_kept(state.alarms, self._watches.__contains__),
            fired_at=_kept(state.fired_at, self._rules.__contains__),
            kept_at=_kept(state.kept_at, self._rules.__contains__),
            runs=MappingProxyType(dict(self._adopted_runs(state))),
        )
        # A clock that is not set yet wakes the engine at once.
        unset = len(adopted.alarms) < len(self._clocks)
        return replace(adopted, wake_at=0.0 if unset else min(due_times(adopted), default=None))

    def step(
        self, state: EngineState, event: SoundEvent | None, now: float
    ) -> tuple[EngineState, tuple[ActionRequest, ...]]:
        """Take an event, or None for a tick of the clock, at `now`, Unix seconds of event time.

        Returns the new state, and the requests that are due by now, in the order in which they are due.
        """
        watches = () if event is None else self._concerned(event)
        if not watches and (state.wake_at is None or state.wake_at > now):
            return state, ()
        draft = Draft(state, now)
        if len(state.alarms) < len(self._clocks):
            self._set_clocks(draft, now)
        if event is not None:
            self._hear_first(draft, watches, event)
        self._wake(draft, now)
        if event is not None:
            self._hear(draft, watches, event)
            self._wake(draft, now)
        return draft.finish()

    def next_wake(self, state: EngineState) -> float | None:
        """Return when, in event time, a step without an event has something to do; None for never."""
        return state.wake_at

    # --- which rules an event concerns --------------------------------------------------------------------

    def _add(self, rule: Rule) -> None:
        self._rules[rule.id] = rule
        for trigger in rule.triggers:
            key = TriggerKey(rule.id, blake2b(repr(trigger).encode(), digest_size=4).hexdigest())
            if key in self._watches:
                continue
            watch = _Watch(order=len(self._watches), rule=rule, trigger=trigger, key=key)
            self._watches[key] = watch
            if isinstance(trigger, TimeTrigger | PatternTrigger):
                self._clocks[key] = watch
            for profile, stream in _sounds_of(trigger):
                self._by_sound.setdefault((profile, stream), {})[key] = watch

    def _concerned(self, event: SoundEvent) -> list[_Watch]:
        everywhere = self._by_sound.get((event.profile, None), {})
        here = self._by_sound.get((event.profile, event.stream), {})
        if not here:
            return list(everywhere.values())
        return sorted((everywhere | here).values(), key=lambda watch: watch.order)

    def _watches_place(self, place: Place) -> bool:
        return place.trigger in self._watches

    def _adopted_runs(self, state: EngineState) -> Iterator[tuple[str, Any]]:
        for rule_id, runs in state.runs.items():
            rule = self._rules.get(rule_id)
            program = "" if rule is None else digest(rule.actions)
            if kept := tuple(run for run in runs if run.program == program):
                yield rule_id, kept

    # --- what an event does -------------------------------------------------------------------------------

    def _hear_first(self, draft: Draft, watches: Iterable[_Watch], event: SoundEvent) -> None:
        """Take note of what was known before something came due that is reported only after it."""
        for watch in watches:
            trigger = watch.trigger
            if isinstance(trigger, SoundTrigger) and event.phase is Phase.ENDED:
                waiting = Waiting(watch.key, event.id)
                known = draft.sounding.rows.get(waiting)
                if known is not None and known.due_at > event.decided_at:
                    draft.sounding.drop(waiting)
            elif isinstance(trigger, SilenceTrigger) and event.phase is Phase.STARTED:
                silent = draft.running.rows.get(Place(watch.key, event.stream))
                if silent is not None and (silent.due_at is None or silent.due_at > event.decided_at):
                    follow_running(draft, watch.key, trigger, event)

    def _hear(self, draft: Draft, watches: Iterable[_Watch], event: SoundEvent) -> None:
        fired: set[str] = set()
        for watch in watches:
            if watch.rule.id not in fired and self._satisfies(draft, watch, event):
                cause = Cause(
                    trigger=watch.key, trigger_id=watch.trigger.id, event=event, at=event.decided_at
                )
                if self._fire(draft, watch, cause):
                    fired.add(watch.rule.id)

    def _satisfies(self, draft: Draft, watch: _Watch, event: SoundEvent) -> bool:
        """Tell whether the trigger fires for the event now; remember what may make it fire later."""
        trigger = watch.trigger
        match trigger:
            case SoundTrigger():
                return self._satisfies_sound(draft, watch, trigger, event)
            case SequenceTrigger():
                complete = completes_sequence(draft, watch.key, trigger, event)
                if not complete:
                    self._tell(watch, event, event.decided_at, "sequence", "not complete")
                return complete
            case SilenceTrigger():
                follow_running(draft, watch.key, trigger, event)
        return False

    def _satisfies_sound(self, draft: Draft, watch: _Watch, trigger: SoundTrigger, event: SoundEvent) -> bool:
        if trigger.phase is not event.phase:
            return False
        if not score_fits(trigger, event.score):
            bounds = (
                f"above {trigger.above}" if trigger.below is None else f"{trigger.above} to {trigger.below}"
            )
            self._tell(watch, event, event.decided_at, "score", f"{event.score:.3f}, wanted {bounds}")
            return False
        enough_at = event.onset_at + trigger.for_s
        heard_until = event.decided_at if event.ended_at is None else event.ended_at
        if enough_at <= heard_until:
            return self._counts(draft, watch, trigger, event, event.decided_at)
        if event.phase is Phase.STARTED:
            waiting = Waiting(watch.key, event.id)
            if waiting not in draft.sounding.rows:
                draft.sounding.put(waiting, Sounding(event=event, due_at=enough_at))
                draft.schedule(enough_at, "sounding", waiting)
        lasted = heard_until - event.onset_at
        self._tell(
            watch, event, event.decided_at, "for", f"{lasted:.1f} s so far, wanted {trigger.for_s:g} s"
        )
        return False

    def _counts(
        self, draft: Draft, watch: _Watch, trigger: SoundTrigger, event: SoundEvent, at: float
    ) -> bool:
        if completes_count(draft, watch.key, trigger, event):
            return True
        known = len(draft.onsets.rows.get(Place(watch.key, event.stream), ()))
        self._tell(watch, event, at, "count", f"{known} of {trigger.count}")
        return False

    # --- what time does -----------------------------------------------------------------------------------

    def _wake(self, draft: Draft, now: float) -> None:
        for due in draft.take_due():
            match due.kind:
                case "sounding":
                    self._sounded(draft, due.key, due.at)
                case "running":
                    self._fell_silent(draft, due.key, due.at)
                case "alarm":
                    self._struck(draft, due.key, due.at, now)
                case "run":
                    go_on(draft, self._house, self._rules[due.key], due.at)

    def _sounded(self, draft: Draft, waiting: Waiting, at: float) -> None:
        known = draft.sounding.rows.get(waiting)
        if known is None or known.due_at != at:
            return
        draft.sounding.drop(waiting)
        watch = self._watches[waiting.trigger]
        trigger = watch.trigger
        if isinstance(trigger, SoundTrigger) and self._counts(draft, watch, trigger, known.event, at):
            cause = Cause(trigger=watch.key, trigger_id=trigger.id, event=known.event, at=at)
            self._fire(draft, watch, cause)

    def _fell_silent(self, draft: Draft, place: Place, at: float) -> None:
        known = draft.running.rows.get(place)
        if known is None or known.due_at != at:
            return
        draft.running.drop(place)
        watch = self._watches[place.trigger]
        trigger = watch.trigger
        if not isinstance(trigger, SilenceTrigger):
            return
        if not ran_long_enough(trigger, known):
            ran = f"ran for {known.until - known.began_at:.1f} s, wanted {trigger.ran_s:g} s"
            self._tell(watch, known.event, at, "after", ran)
            return
        self._fire(draft, watch, Cause(trigger=watch.key, trigger_id=trigger.id, event=known.event, at=at))

    def _struck(self, draft: Draft, key: TriggerKey, at: float, now: float) -> None:
        watch = self._watches[key]
        if draft.alarms.rows.get(key) != at:
            return
        self._set_clock(draft, watch, max(at, now - LATE_S))
        if at >= now - LATE_S:
            self._fire(draft, watch, Cause(trigger=key, trigger_id=watch.trigger.id, event=None, at=at))

    def _set_clocks(self, draft: Draft, now: float) -> None:
        for key, watch in self._clocks.items():
            if key not in draft.alarms.rows:
                self._set_clock(draft, watch, now)

    def _set_clock(self, draft: Draft, watch: _Watch, after: float) -> None:
        trigger, zone = watch.trigger, self._house.zone
        if isinstance(trigger, TimeTrigger):
            at = next_time(trigger, after, zone)
        else:
            assert isinstance(trigger, PatternTrigger)
            at = next_match(trigger, after, zone)
        draft.alarms.put(watch.key, at)
        draft.schedule(at, "alarm", watch.key)

    def _fire(self, draft: Draft, watch: _Watch, cause: Cause) -> bool:
        stopped = fire(draft, Firing(house=self._house, rule=watch.rule, cause=cause))
        if self._note is not None:
            self._note(Verdict(rule_id=watch.rule.id, at=cause.at, event=cause.event, stopped_by=stopped))
        return not stopped

    def _tell(self, watch: _Watch, event: SoundEvent, at: float, gate: str, why: str) -> None:
        if self._note is not None:
            self._note(Verdict(rule_id=watch.rule.id, at=at, event=event, stopped_by=f"{gate}: {why}"))


def _sounds_of(trigger: Trigger) -> Iterator[tuple[str, str | None]]:
    """Give every profile and stream (None: any) that a trigger has to hear about."""
    match trigger:
        case SequenceTrigger():
            wanted: list[SoundPattern | SoundTrigger | SilenceTrigger] = [
                *trigger.steps,
                *([] if trigger.without is None else [trigger.without]),
            ]
        case SoundTrigger() | SilenceTrigger():
            wanted = [trigger]
        case _:
            return
    for each in wanted:
        for profile in each.profiles:
            for stream in each.streams or (None,):
                yield profile, stream


def _kept(rows: Mapping[_Row, Any], belongs: Callable[[_Row], bool]) -> Mapping[_Row, Any]:
    return MappingProxyType({key: value for key, value in rows.items() if belongs(key)})
