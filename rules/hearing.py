"""What a fact does to the rules that it concerns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from detectors.types import Phase, SoundEvent
from rules.facts import MAX_MESSAGE, Confirmation, EntityState, Fact, MqttMessage
from rules.index import Watch
from rules.model import MqttTrigger, SequenceTrigger, SilenceTrigger, SoundTrigger, StateTrigger
from rules.state import Cause, Place, Waiting
from rules.step import Step
from rules.template import TemplateFault
from rules.verdict import Stopped
from rules.watching import (
    drop_changed,
    follow_running,
    hear_message,
    hear_sequence,
    hear_sound,
    hear_state,
    keep_state,
)


def hear_first(step: Step, watches: Sequence[Watch], fact: Fact) -> None:
    """Take note of what was known before something came due that is reported only after it."""
    draft = step.draft
    for watch in watches:
        trigger = watch.trigger
        match fact:
            case EntityState():
                drop_changed(draft, watch.key, fact)
            case SoundEvent(phase=Phase.ENDED) if isinstance(trigger, SoundTrigger):
                waiting = Waiting(watch.key, fact.id)
                known = draft.sounding.rows.get(waiting)
                if known is not None and known.due_at > fact.decided_at:
                    draft.sounding.put(waiting, replace(known, lost_at=fact.decided_at))
            case SoundEvent(phase=Phase.STARTED) if isinstance(trigger, SilenceTrigger):
                silent = draft.running.rows.get(Place(watch.key, fact.stream))
                if silent is not None and (silent.due_at is None or silent.due_at > fact.decided_at):
                    follow_running(draft, watch.key, trigger, fact)


def hear(step: Step, watches: Sequence[Watch], fact: Fact) -> None:
    """Let the rules react to a fact; each fires at most once."""
    match fact:
        case SoundEvent():
            _hear_sound(step, watches, fact)
        case MqttMessage():
            _hear_message(step, watches, fact)
        case EntityState():
            _hear_state(step, watches, fact)
        case Confirmation():
            step.draft.confirmed_at = max(step.draft.confirmed_at, fact.at)


def _hear_sound(step: Step, watches: Sequence[Watch], event: SoundEvent) -> None:
    fired: set[str] = set()
    at = event.decided_at
    for watch in watches:
        if watch.rule.id in fired:
            continue
        trigger = watch.trigger
        match trigger:
            case SoundTrigger():
                met = hear_sound(step.draft, watch.key, trigger, event)
            case SequenceTrigger():
                met = hear_sequence(step.draft, watch.key, trigger, event)
            case SilenceTrigger():
                follow_running(step.draft, watch.key, trigger, event)
                continue
            case _:
                continue
        if met is True:
            if step.fire(watch, Cause(watch.key, trigger.id, event, at)):
                fired.add(watch.rule.id)
        elif met is not False:
            step.tell(watch, at, met, event=event)


def _hear_message(step: Step, watches: Sequence[Watch], message: MqttMessage) -> None:
    if len(message.payload) > MAX_MESSAGE:
        return
    if message.topic in step.index.topics_kept:
        step.draft.messages.put(message.topic, message)
    if message.retained:
        return
    fired: set[str] = set()
    told = {"topic": message.topic, "payload": message.payload}
    for watch in watches:
        trigger = watch.trigger
        if watch.rule.id in fired or not isinstance(trigger, MqttTrigger):
            continue
        cause = Cause(trigger=watch.key, trigger_id=trigger.id, event=None, at=message.at, told=told)
        try:
            met = hear_message(trigger, message, step.context(watch, cause))
        except TemplateFault as fault:
            met = Stopped("template", str(fault))
        if met is True:
            if step.fire(watch, cause):
                fired.add(watch.rule.id)
        elif met is not False:
            step.tell(watch, message.at, met, told=told)


def _hear_state(step: Step, watches: Sequence[Watch], told: EntityState) -> None:
    if told.entity_id not in step.index.entities:
        return
    before = keep_state(step.draft, told)
    if before is None:
        return
    fired: set[str] = set()
    change = {
        "entity_id": told.entity_id,
        "from_state": {"state": before.state, "attributes": dict(before.attributes)},
        "to_state": {"state": told.state, "attributes": dict(told.attributes)},
    }
    for watch in watches:
        trigger = watch.trigger
        if watch.rule.id in fired or not isinstance(trigger, StateTrigger):
            continue
        met = hear_state(step.draft, watch.key, trigger, change, told.at)
        if met is True:
            cause = Cause(trigger=watch.key, trigger_id=trigger.id, event=None, at=told.at, told=change)
            if step.fire(watch, cause):
                fired.add(watch.rule.id)
        elif met is not False:
            step.tell(watch, told.at, met, told=change)
