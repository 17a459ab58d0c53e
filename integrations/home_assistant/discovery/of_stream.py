"""The entities of a stream: what it hears, how well it hears, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Iterator

from integrations.home_assistant.discovery.house import Ear
from integrations.home_assistant.discovery.model import Entity
from integrations.home_assistant.discovery.options import QOS, button, in_words, on_if, slug, switch
from integrations.topics import Topics, topic_id

TEACH_LAST_S = 30
"""What the button teaches from."""

LEVEL_EXPIRES_S = 10
"""Levels come once a second; one that is older than this says nothing any more."""


def entities_of_stream(topics: Topics, ear: Ear) -> Iterator[Entity]:
    """Give the entities of a stream's device."""
    yield _sound(topics, ear)
    for sound in ear.sounds:
        if sound.sustained:
            yield _sounding(topics, ear.stream, sound.name)
    yield from _about_stream(topics, ear.stream)
    yield from _to_be_used(topics, ear.stream)


def _sound(topics: Topics, ear: Ear) -> Entity:
    types = sorted({*(sound.name for sound in ear.sounds), *ear.emitted})
    return Entity(
        platform="event",
        key="sound",
        name="Sound",
        object_id=slug("heard", ear.stream, "sound"),
        available_with=_with_audio(topics, ear.stream),
        options={
            "state_topic": topics.event(ear.stream),
            "event_types": types,
            # An event is that something began; its end is what binary sensors are for.
            "value_template": "{{ value if value_json.phase == 'started' else '' }}",
            "qos": QOS,
        },
    )


def _sounding(topics: Topics, stream: str, profile: str) -> Entity:
    return Entity(
        platform="binary_sensor",
        key=f"profile_{topic_id(profile)}",
        name=in_words(profile),
        object_id=slug("heard", stream, profile),
        available_with=_with_audio(topics, stream),
        # Whatever the sound is of, it is a guess: classes that sirens are wired to are not for it.
        options={"device_class": "sound", "state_topic": topics.state(stream, profile)},
    )


def _about_stream(topics: Topics, stream: str) -> Iterator[Entity]:
    """Give what says how well the stream hears; it goes on saying so when no audio comes."""
    yield Entity(
        platform="binary_sensor",
        key="online",
        name="Microphone",
        object_id=slug("heard", stream, "online"),
        available_with=(topics.available,),
        category="diagnostic",
        options={
            "device_class": "connectivity",
            "state_topic": topics.status(stream),
            "value_template": on_if("value == 'online'"),
        },
    )
    yield Entity(
        platform="binary_sensor",
        key="problem",
        name="Hearing",
        object_id=slug("heard", stream, "problem"),
        available_with=(topics.available,),
        category="diagnostic",
        options={
            "device_class": "problem",
            "state_topic": topics.health(stream),
            # That its owner has switched it off is nothing wrong.
            "value_template": on_if("value not in ['ok', 'disabled']"),
        },
    )
    for key, name, field in (("level", "Level", "dbfs"), ("noise_floor", "Noise floor", "floor")):
        yield Entity(
            platform="sensor",
            key=key,
            name=name,
            object_id=slug("heard", stream, key),
            available_with=_with_audio(topics, stream),
            category="diagnostic",
            enabled=False,
            # Decibels below full scale are no sound pressure, so there is no device class for them.
            options={
                "state_topic": topics.level(stream),
                "value_template": f"{{{{ value_json.{field} }}}}",
                "unit_of_measurement": "dBFS",
                "state_class": "measurement",
                "suggested_display_precision": 0,
                "expire_after": LEVEL_EXPIRES_S,
            },
        )


def _to_be_used(topics: Topics, stream: str) -> Iterator[Entity]:
    """Give what can be switched, pressed and looked at."""
    yield Entity(
        platform="switch",
        key="listening",
        name="Listening",
        object_id=slug("heard", stream, "listening"),
        available_with=(topics.available,),
        options=switch(topics.listen_set(stream), topics.listen_state(stream)),
    )
    yield Entity(
        platform="button",
        key="teach",
        name=f"Teach last {TEACH_LAST_S} s",
        object_id=slug("heard", stream, "teach"),
        available_with=_with_audio(topics, stream),
        options=button(topics.teach, {"stream": stream, "last_s": TEACH_LAST_S}),
    )
    yield Entity(
        platform="button",
        key="false_alarm",
        name="That was a false alarm",
        object_id=slug("heard", stream, "false_alarm"),
        available_with=(topics.available,),
        options=button(topics.feedback, {"stream": stream, "verdict": "wrong"}),
    )
    yield Entity(
        platform="image",
        key="spectrogram",
        name="Last spectrogram",
        object_id=slug("heard", stream, "spectrogram"),
        available_with=(topics.available,),
        options={
            "image_topic": topics.spectrogram(stream),
            "image_encoding": "b64",
            "content_type": "image/png",
        },
    )


def _with_audio(topics: Topics, stream: str) -> tuple[str, ...]:
    return (topics.available, topics.status(stream))
