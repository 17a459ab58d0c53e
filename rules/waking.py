"""What time alone makes happen."""

from __future__ import annotations

from rules.calendar import next_match, next_time
from rules.firing import go_on
from rules.hearing import hear, hear_first
from rules.index import Watch
from rules.model import PatternTrigger, SilenceTrigger, SoundTrigger, TimeTrigger
from rules.state import Cause, Held, Place, TriggerKey, Waiting
from rules.step import Step
from rules.verdict import Stopped
from rules.watching import ran_long_enough, repeated_enough

LATE_S = 60.0
"""A time of day that was missed by more is not made up for."""


def wake(step: Step, now: float) -> None:
    """Let everything happen that is due by `now`, in order of time."""
    draft = step.draft
    for due in draft.take_due():
        match due.kind:
            case "sounding":
                _sounded(step, due.key, due.at)
            case "running":
                _fell_silent(step, due.key, due.at)
            case "holding":
                _stayed(step, due.key, due.at)
            case "alarm":
                _struck(step, due.key, due.at, now)
            case "run":
                go_on(draft, step.house, step.index.rules[due.key], due.at)
            case "derived":
                watches = step.index.concerned(due.key)
                hear_first(step, watches, due.key)
                hear(step, watches, due.key)


def set_clocks(step: Step, now: float) -> None:
    """Set every clock that is not."""
    for key, watch in step.index.clocks.items():
        if key not in step.draft.alarms.rows:
            _set_clock(step, watch, now)


def _sounded(step: Step, waiting: Waiting, at: float) -> None:
    known = step.draft.sounding.rows.get(waiting)
    if known is None or known.wakes_at != at:
        return
    step.draft.sounding.drop(waiting)
    if known.lost_at is not None:
        return
    watch = step.index.watches[waiting.trigger]
    trigger = watch.trigger
    if not isinstance(trigger, SoundTrigger):
        return
    met = repeated_enough(step.draft, watch.key, trigger, known.event)
    if met is True:
        step.fire(watch, Cause(trigger=watch.key, trigger_id=trigger.id, event=known.event, at=at))
    elif met is not False:
        step.tell(watch, at, met, event=known.event)


def _fell_silent(step: Step, place: Place, at: float) -> None:
    known = step.draft.running.rows.get(place)
    if known is None or known.due_at != at:
        return
    step.draft.running.drop(place)
    watch = step.index.watches[place.trigger]
    trigger = watch.trigger
    if not isinstance(trigger, SilenceTrigger):
        return
    if not ran_long_enough(trigger, known):
        why = f"ran for {known.until - known.began_at:.1f} s, wanted {trigger.ran_s:g} s"
        step.tell(watch, at, Stopped("after", why), event=known.event)
        return
    step.fire(watch, Cause(trigger=watch.key, trigger_id=trigger.id, event=known.event, at=at))


def _stayed(step: Step, held: Held, at: float) -> None:
    known = step.draft.holding.rows.get(held)
    if known is None or known.due_at != at:
        return
    step.draft.holding.drop(held)
    watch = step.index.watches[held.trigger]
    step.fire(
        watch,
        Cause(trigger=watch.key, trigger_id=watch.trigger.id, event=None, at=at, told=known.told),
    )


def _struck(step: Step, key: TriggerKey, at: float, now: float) -> None:
    watch = step.index.watches[key]
    if step.draft.alarms.rows.get(key) != at:
        return
    _set_clock(step, watch, max(at, now - LATE_S))
    if at >= now - LATE_S:
        step.fire(watch, Cause(trigger=key, trigger_id=watch.trigger.id, event=None, at=at))


def _set_clock(step: Step, watch: Watch, after: float) -> None:
    trigger, zone = watch.trigger, step.house.zone
    if isinstance(trigger, TimeTrigger):
        at = next_time(trigger, after, zone)
    else:
        assert isinstance(trigger, PatternTrigger)
        at = next_match(trigger, after, zone)
    step.draft.alarms.put(watch.key, at)
    step.draft.schedule(at, "alarm", watch.key)
