"""What a node has that Home Assistant is told of."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """A profile that a stream is listened to for."""

    name: str
    sustained: bool
    """It goes on for a while, so that there is something to be on and off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ear:
    """One stream."""

    stream: str
    sounds: tuple[Sound, ...]
    emitted: tuple[str, ...] = ()
    """Sounds of the rules' own making, which may come on every stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleName:
    """A rule: its id, and what its owner calls it."""

    id: str
    alias: str


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Everything of one node that Home Assistant is told of."""

    installation: str
    """The same for as long as the state folder is kept; nothing but [a-zA-Z0-9_-]."""
    topics: Topics
    sw_version: str
    configuration_url: str | None = None
    ears: tuple[Ear, ...]
    thresholds: tuple[str, ...]
    """The profiles whose threshold can be set."""
    rules: tuple[RuleName, ...]


def retained_states(house: House) -> frozenset[str]:
    """Return the topics on which the node keeps states: what has to go when a part of it goes."""
    topics = house.topics
    states = {topics.available, topics.stats}
    for ear in house.ears:
        states |= {topics.status(ear.stream), topics.health(ear.stream), topics.listen_state(ear.stream)}
        states.add(topics.spectrogram(ear.stream))
        named = [sound.name for other in house.ears for sound in other.sounds]
        states |= {topics.state(ear.stream, name) for name in (*named, *ear.emitted)}
    states |= {topics.rule_state(rule.id) for rule in house.rules}
    states |= {topics.threshold_state(name) for name in house.thresholds}
    return frozenset(states)
