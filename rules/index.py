"""Which rules a fact concerns, found without looking at each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from detectors.types import SoundEvent
from rules.facts import EntityState, Fact, MqttMessage
from rules.model import (
    MqttTrigger,
    PatternTrigger,
    Request,
    Rule,
    SequenceTrigger,
    SilenceTrigger,
    SoundPattern,
    SoundTrigger,
    StateTrigger,
    TimeTrigger,
    Trigger,
)
from rules.needs import entities_named, topics_kept
from rules.program import MAX_BURST
from rules.state import TriggerKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One trigger, with the rule it belongs to."""

    order: int
    place: int
    """Which of the rule's triggers, from 1."""
    rule: Rule
    trigger: Trigger
    key: TriggerKey
    plain: bool
    """The rule's actions only ask: nothing waits, and nothing steers."""


_Found = dict[TriggerKey, Watch]


@dataclass(slots=True)
class _Branch:
    """The topic filters that begin alike, level by level."""

    deeper: dict[str, _Branch] = field(default_factory=dict)
    ending: _Found = field(default_factory=dict)


class Index:
    """All enabled rules. Nothing in it changes once it is made."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: dict[str, Rule] = {}
        self.watches: _Found = {}
        self.clocks: _Found = {}
        self._by_sound: dict[tuple[str, str | None], _Found] = {}
        self._by_entity: dict[str, _Found] = {}
        self._topics = _Branch()
        self.topics_kept: frozenset[str] = frozenset()
        """Topics whose last message is remembered."""
        self.entities: frozenset[str] = frozenset()
        """Entities of Home Assistant that any rule names."""
        self.topics: frozenset[str] = frozenset()
        """Everything to subscribe to, wildcards and all."""
        for rule in rules:
            if rule.enabled:
                self._add(rule)
        self._note_needs()

    def concerned(self, fact: Fact) -> Sequence[Watch]:
        """Return the triggers that a fact may mean something to, in the order of the files."""
        match fact:
            case SoundEvent():
                everywhere = self._by_sound.get((fact.profile, None), {})
                here = self._by_sound.get((fact.profile, fact.stream))
                return _in_order(everywhere, here) if here else tuple(everywhere.values())
            case MqttMessage():
                return _in_order(*_matching(self._topics, fact.topic.split("/"), 0))
            case EntityState():
                return tuple(self._by_entity.get(fact.entity_id, {}).values())
        return ()

    def _add(self, rule: Rule) -> None:
        self.rules[rule.id] = rule
        plain = len(rule.actions) <= MAX_BURST and all(isinstance(each, Request) for each in rule.actions)
        for place, trigger in enumerate(rule.triggers, start=1):
            key = TriggerKey(rule.id, blake2b(repr(trigger).encode(), digest_size=4).hexdigest())
            if key in self.watches:
                continue
            watch = Watch(
                order=len(self.watches), place=place, rule=rule, trigger=trigger, key=key, plain=plain
            )
            self.watches[key] = watch
            match trigger:
                case TimeTrigger() | PatternTrigger():
                    self.clocks[key] = watch
                case MqttTrigger():
                    branch = self._topics
                    for level in trigger.topic.split("/"):
                        branch = branch.deeper.setdefault(level, _Branch())
                    branch.ending[key] = watch
                case StateTrigger():
                    for entity_id in trigger.entities:
                        self._by_entity.setdefault(entity_id, {})[key] = watch
                case _:
                    for profile, stream in _sounds_of(trigger):
                        self._by_sound.setdefault((profile, stream), {})[key] = watch

    def _note_needs(self) -> None:
        filters = {
            watch.trigger.topic for watch in self.watches.values() if isinstance(watch.trigger, MqttTrigger)
        }
        self.topics_kept = frozenset(topic for rule in self.rules.values() for topic in topics_kept(rule))
        self.topics = self.topics_kept | filters
        self.entities = frozenset(each for rule in self.rules.values() for each in entities_named(rule))


def _in_order(*found: _Found) -> Sequence[Watch]:
    together: _Found = {}
    for each in found:
        together |= each
    return sorted(together.values(), key=lambda watch: watch.order)


def _matching(branch: _Branch, levels: Sequence[str], depth: int) -> Iterator[_Found]:
    """Give what ends where a topic does, by MQTT's rules for + and #."""
    # What begins with a $ is the broker's own, and no wildcard means it.
    wild = depth > 0 or not levels[0].startswith("$")
    if wild and "#" in branch.deeper:
        yield branch.deeper["#"].ending
    if depth == len(levels):
        yield branch.ending
        return
    for level in (levels[depth], "+") if wild else (levels[depth],):
        if level in branch.deeper:
            yield from _matching(branch.deeper[level], levels, depth + 1)


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
