"""What each kind of trigger makes of a fact: nothing, something to remember, or a reason to fire.

True: the trigger fires. False: there is nothing to say. Stopped: it would have, but for what that says.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Mapping
from typing import Any

from detectors.types import Phase, SoundEvent
from rules.conditions import fits, value_of
from rules.context import Context
from rules.draft import Draft
from rules.facts import EntityState, Known, MqttMessage
from rules.model import MqttTrigger, SequenceTrigger, SilenceTrigger, SoundPattern, SoundTrigger, StateTrigger
from rules.state import (
    FOUND_WITHIN_S,
    Held,
    Holding,
    Onset,
    Partial,
    Place,
    Running,
    Sounding,
    TriggerKey,
    Waiting,
)
from rules.verdict import Stopped

_ROUNDING_S = 1e-6
"""Unix seconds as a float are good to a quarter of this."""


def score_fits(wanted: SoundTrigger | SoundPattern, score: float) -> bool:
    """Tell whether a score lies between the bounds, which are outside themselves."""
    return (wanted.above is None or score > wanted.above) and (wanted.below is None or score < wanted.below)


# --- sounds -----------------------------------------------------------------------------------------------


def hear_sound(draft: Draft, key: TriggerKey, trigger: SoundTrigger, event: SoundEvent) -> Stopped | bool:
    """Take one end of a sound; remember what may make the trigger fire later."""
    if trigger.phase is not event.phase:
        return False
    if not score_fits(trigger, event.score):
        bounds = f"above {trigger.above}" if trigger.below is None else f"{trigger.above} to {trigger.below}"
        return Stopped("score", f"{event.score:.3f}, wanted {bounds}")
    if trigger.for_s == 0.0 and trigger.within_s is None:
        return True
    enough_at = _found_again(draft, key, event) or event.onset_at + trigger.for_s
    heard_until = event.decided_at if event.ended_at is None else event.ended_at
    if enough_at <= heard_until:
        return repeated_enough(draft, key, trigger, event)
    if event.phase is Phase.STARTED:
        waiting = Waiting(key, event.id)
        if waiting not in draft.sounding.rows:
            draft.sounding.put(waiting, Sounding(event=event, due_at=enough_at))
            draft.schedule(enough_at, "sounding", waiting)
    return Stopped("for", f"{heard_until - event.onset_at:.1f} s so far, wanted {trigger.for_s:g} s")


def _found_again(draft: Draft, key: TriggerKey, event: SoundEvent) -> float | None:
    """Return when a sound that a restart interrupted has gone on for long enough."""
    if event.phase is not Phase.STARTED:
        return None
    for waiting, lost in draft.sounding.rows.items():
        if (
            lost.findable
            and waiting.trigger == key
            and (lost.event.profile, lost.event.stream) == (event.profile, event.stream)
            and event.onset_at <= (lost.lost_at or 0.0) + FOUND_WITHIN_S
        ):
            draft.sounding.drop(waiting)
            return lost.due_at
    return None


def repeated_enough(
    draft: Draft, key: TriggerKey, trigger: SoundTrigger, event: SoundEvent
) -> Stopped | bool:
    """Note one more sound; where it is the last that the trigger needs, begin anew."""
    if trigger.within_s is None:
        return True
    place = Place(key, event.stream)
    onsets = list(draft.onsets.rows.get(place, ()))
    if not any(onset.event_id == event.id for onset in onsets):
        insort(onsets, Onset(event.onset_at, event.id))
        oldest = onsets[-1].at - trigger.within_s - _ROUNDING_S
        onsets = [onset for onset in onsets if onset.at >= oldest]
        if len(onsets) >= trigger.count:
            draft.onsets.drop(place)
            return True
        draft.onsets.put(place, tuple(onsets))
    return Stopped("count", f"{len(onsets)} of {trigger.count} within {trigger.within_s:g} s")


def hear_sequence(
    draft: Draft, key: TriggerKey, trigger: SequenceTrigger, event: SoundEvent
) -> Stopped | bool:
    """Take the sequence further; where it is complete, begin anew.

    Of several tries that have come equally far only the latest is kept: it has the most time left.
    """
    if event.phase is not Phase.STARTED:
        return False
    place = Place(key, event.stream if trigger.same_stream else "")
    before = draft.partials.rows.get(place, (None,) * (len(trigger.steps) - 1))
    tries = list(before)
    if trigger.without is not None and _fits(trigger.without, event):
        tries = [None if each is not None and each.first_at <= event.onset_at else each for each in tries]
    complete = _take_further(tries, trigger, event)
    if complete or not any(tries):
        draft.partials.drop(place)
    elif tuple(tries) != before:
        draft.partials.put(place, tuple(tries))
    if complete:
        return True
    reached = max((step for step, each in enumerate(tries, start=1) if each is not None), default=0)
    return Stopped("sequence", f"{reached} of {len(trigger.steps)} sounds within {trigger.within_s:g} s")


def _take_further(tries: list[Partial | None], trigger: SequenceTrigger, event: SoundEvent) -> bool:
    """Let a sound be a step of each try that it fits; tell whether it was the last one of any."""
    # From the last step to the first, so that one sound is one step.
    for step in reversed(range(len(trigger.steps))):
        if not _fits(trigger.steps[step], event):
            continue
        further = _one_further(tries[step - 1] if step else None, step, trigger.within_s, event)
        if further is None:
            continue
        if step == len(tries):
            return True
        known = tries[step]
        if known is None or further.first_at >= known.first_at:
            tries[step] = further
    return False


def _fits(wanted: SoundPattern, event: SoundEvent) -> bool:
    return (
        event.profile in wanted.profiles
        and (not wanted.streams or event.stream in wanted.streams)
        and score_fits(wanted, event.score)
    )


def _one_further(before: Partial | None, step: int, within_s: float, event: SoundEvent) -> Partial | None:
    onset = event.onset_at
    if step == 0:
        return Partial(onset, onset, event.id)
    if before is None or before.last_at >= onset or onset - before.first_at > within_s + _ROUNDING_S:
        return None
    return Partial(before.first_at, onset, event.id)


def follow_running(draft: Draft, key: TriggerKey, trigger: SilenceTrigger, event: SoundEvent) -> None:
    """Note that the sound goes on, or has ended and may stay silent. The same event twice changes nothing."""
    place = Place(key, event.stream)
    known = draft.running.rows.get(place)
    if event.phase is Phase.STARTED:
        heard_until, going_on = event.decided_at, (*(() if known is None else known.going_on), event.id)
    else:
        heard_until = event.decided_at if event.ended_at is None else event.ended_at
        going_on = () if known is None else tuple(name for name in known.going_on if name != event.id)
    running = Running(
        began_at=event.onset_at if known is None else min(known.began_at, event.onset_at),
        until=heard_until if known is None else max(known.until, heard_until),
        going_on=tuple(dict.fromkeys(going_on)),
        event=event,
        for_s=trigger.for_s,
    )
    if running != known:
        draft.running.put(place, running)
        if running.due_at is not None:
            draft.schedule(running.due_at, "running", place)


def ran_long_enough(trigger: SilenceTrigger, running: Running) -> bool:
    """Tell whether what fell silent had gone on for as long as the trigger asks."""
    return running.until - running.began_at >= trigger.ran_s - _ROUNDING_S


# --- messages and states ----------------------------------------------------------------------------------


def hear_message(trigger: MqttTrigger, message: MqttMessage, context: Context) -> Stopped | bool:
    """Look at what was said; raises TemplateFault where a template cannot tell."""
    if trigger.payload is None and trigger.template is None:
        return True
    value = value_of(message.payload, trigger.template, context)
    wanted = () if trigger.payload is None else (trigger.payload,)
    if fits(value, wanted):
        return True
    found = str(value)
    shown = found if len(found) <= 60 else found[:57] + "..."
    return Stopped("payload", f"{shown!r}, wanted {'what is true' if not wanted else repr(wanted[0])}")


def keep_state(draft: Draft, told: EntityState) -> EntityState | None:
    """Remember how an entity stands; return how it stood if that was another state, else None."""
    known = draft.entities.rows.get(told.entity_id)
    if known is not None and known.told.state == told.state:
        draft.entities.put(told.entity_id, Known(told=told, since=known.since))
        return None
    draft.entities.put(told.entity_id, Known(told=told, since=told.at))
    return None if known is None else known.told


def drop_changed(draft: Draft, key: TriggerKey, told: EntityState) -> None:
    """Stop waiting for a state to last that had ended before it was reported."""
    held = Held(key, told.entity_id)
    known = draft.holding.rows.get(held)
    if known is None or known.due_at <= told.at:
        return
    stands = draft.entities.rows.get(told.entity_id)
    if stands is None or stands.told.state != told.state:
        draft.holding.drop(held)


def hear_state(
    draft: Draft, key: TriggerKey, trigger: StateTrigger, change: Mapping[str, Any], at: float
) -> Stopped | bool:
    """Look at a change of state; remember it where it has to last."""
    before, after = change["from_state"]["state"], change["to_state"]["state"]
    if trigger.from_states and before not in trigger.from_states:
        return Stopped("state", f"it was {before!r} before, wanted {' or '.join(trigger.from_states)}")
    if trigger.to_states and after not in trigger.to_states:
        return Stopped("state", f"it became {after!r}, wanted {' or '.join(trigger.to_states)}")
    if trigger.for_s == 0.0:
        return True
    held = Held(key, change["entity_id"])
    draft.holding.put(held, Holding(due_at=at + trigger.for_s, told=change))
    draft.schedule(at + trigger.for_s, "holding", held)
    return Stopped("for", f"it only just became {after!r}, wanted {trigger.for_s:g} s")
