"""Nodes to tell Home Assistant of, with names that an owner may give."""

from __future__ import annotations

from hypothesis import strategies as st

from integrations.home_assistant.discovery.house import Ear, House, RuleName, Sound
from integrations.topics import Topics

INSTALLATION = "0123456789abcdef0123456789abcdef"

SOUNDS = (
    Sound(name="baby_crying", sustained=True),
    Sound(name="glass_breaking", sustained=False),
    Sound(name="alarm_beep", sustained=True),
)


def house(
    *,
    streams: tuple[str, ...] = ("kitchen", "hall"),
    sounds: tuple[Sound, ...] = SOUNDS,
    rules: tuple[str, ...] = ("glass",),
    emitted: tuple[str, ...] = (),
    node: str = "hub",
) -> House:
    """Return a node with these streams, each of which hears the same."""
    return House(
        installation=INSTALLATION,
        topics=Topics(prefix="heard", node=node),
        sw_version="0.1.0",
        configuration_url="http://hub.local:8765",
        ears=tuple(Ear(stream=stream, sounds=sounds, emitted=emitted) for stream in streams),
        thresholds=tuple(sound.name for sound in sounds),
        rules=tuple(RuleName(id=rule, alias=f"Alias of {rule}") for rule in rules),
    )


odd_words = st.sampled_from(
    [
        "Küche",
        "厨房",
        "a/b",
        "a b",
        "a_b",
        "A_B",
        "a-b",
        "online",
        "sound",
        "profile_a",
        "profile_a_online",
        "-",
        " ",
    ]
)
names = st.one_of(
    odd_words, st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=64)
)


def some(most: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw up to so many names that are not the same."""
    return st.lists(names, min_size=1, max_size=most, unique=True).map(tuple)


@st.composite
def houses(draw: st.DrawFn) -> House:
    """Draw a node of any names."""
    sounds = tuple(Sound(name=name, sustained=draw(st.booleans())) for name in draw(some(4)))
    return house(
        streams=draw(some(3)), sounds=sounds, rules=draw(some(3)), emitted=draw(some(2)), node=draw(names)
    )
