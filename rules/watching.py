"""What each kind of trigger makes of a sound: nothing, something to remember, or a reason to fire."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from detectors.types import Phase, SoundEvent
from rules.state import Onset, Partial, Place, Running

if TYPE_CHECKING:
    from rules.draft import Draft
    from rules.model import SequenceTrigger, SilenceTrigger, SoundPattern, SoundTrigger
    from rules.state import TriggerKey

_ROUNDING_S = 1e-6
"""Unix seconds as a float are good to a quarter of this."""


def score_fits(wanted: SoundTrigger | SoundPattern, score: float) -> bool:
    """Tell whether a score lies between the bounds, which are outside themselves."""
    return (wanted.above is None or score > wanted.above) and (wanted.below is None or score < wanted.below)


def completes_count(draft: Draft, key: TriggerKey, trigger: SoundTrigger, event: SoundEvent) -> bool:
    """Note one more sound; tell whether it is the last that the trigger needs, and then begin anew."""
    if trigger.within_s is None:
        return True
    place = Place(key, event.stream)
    onsets = list(draft.onsets.rows.get(place, ()))
    if any(onset.event_id == event.id for onset in onsets):
        return False
    insort(onsets, Onset(event.onset_at, event.id))
    oldest = onsets[-1].at - trigger.within_s - _ROUNDING_S
    onsets = [onset for onset in onsets if onset.at >= oldest]
    if len(onsets) >= trigger.count:
        draft.onsets.drop(place)
        return True
    draft.onsets.put(place, tuple(onsets))
    return False


def completes_sequence(draft: Draft, key: TriggerKey, trigger: SequenceTrigger, event: SoundEvent) -> bool:
    """Take the sequence further; tell whether it is complete, and then begin anew.

    Of several tries that have come equally far only the latest is kept: it has the most time left.
    """
    if event.phase is not Phase.STARTED:
        return False
    place = Place(key, event.stream if trigger.same_stream else "")
    before = draft.partials.rows.get(place, (None,) * (len(trigger.steps) - 1))
    tries = list(before)
    if trigger.without is not None and _fits(trigger.without, event):
        tries = [None if each is not None and each.first_at <= event.onset_at else each for each in tries]
    complete = False
    # From the last step to the first, so that one sound is one step.
    for step in reversed(range(len(trigger.steps))):
        if not _fits(trigger.steps[step], event):
            continue
        further = _one_further(tries[step - 1] if step else None, step, trigger.within_s, event)
        if further is None:
            continue
        if step == len(tries):
            complete = True
            break
        known = tries[step]
        if known is None or further.first_at >= known.first_at:
            tries[step] = further
    if complete or not any(tries):
        draft.partials.drop(place)
    elif tuple(tries) != before:
        draft.partials.put(place, tuple(tries))
    return complete


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
