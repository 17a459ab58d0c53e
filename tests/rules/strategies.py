"""Rules of every kind, for properties that hold for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from detectors.types import Phase
from rules.model import (
    AllOf,
    AnyOf,
    CallAction,
    Check,
    Choose,
    Delay,
    Describe,
    Emit,
    Mode,
    MqttCondition,
    MqttTrigger,
    NoneOf,
    Option,
    Parallel,
    PatternTrigger,
    PostWebhook,
    PublishMqtt,
    Repeat,
    Rule,
    RunCommand,
    SaveClip,
    SequenceTrigger,
    SetVariables,
    SilenceTrigger,
    SoundPattern,
    SoundTrigger,
    StateCondition,
    StateTrigger,
    Stop,
    TemplateCondition,
    TimeCondition,
    TimeTrigger,
    TriggerCondition,
)
from rules.outside_grammar import VALUE_NAMES
from rules.template import compile_template

PROFILES = ("engine", "finger_snap", "glass_breaking", "siren", "vacuum_cleaner")
STREAMS = ("desk", "hall", "kitchen")

_DURATIONS = st.integers(1, 86_400).map(float)
_CLOCKS = st.times().map(lambda t: t.replace(microsecond=0))
_DAYS = st.frozensets(st.integers(0, 6), max_size=3)
_WORDS = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="{}"), min_size=1, max_size=8
)
_NAMES = st.lists(st.sampled_from(PROFILES), min_size=1, max_size=3).map(tuple)
_PLACES = st.lists(st.sampled_from(STREAMS), max_size=2).map(tuple)
_SCORES = st.none() | st.floats(0, 1)
_PATTERNS = st.builds(SoundPattern, profiles=_NAMES, streams=_PLACES, above=_SCORES, below=_SCORES)
_ENTITIES = st.lists(
    st.sampled_from(["light.desk", "media_player.tv", "person.anna"]), min_size=1, max_size=2
).map(tuple)
_STATES = st.lists(st.sampled_from(["on", "off", "not_home", "21.5"]), min_size=1, max_size=2).map(tuple)
_VALUE_TEMPLATES = st.sampled_from(["{{ value_json.state }}", "{{ value | float(0) > 3 }}"]).map(
    lambda source: compile_template(source, VALUE_NAMES)
)
_FILTERS = st.sampled_from(["home/#", "home/+/door", "a", "+", "a b/ü"])
_TRIGGERS: st.SearchStrategy[Any] = (
    st.builds(
        lambda repeated, **rest: SoundTrigger(count=repeated[0], within_s=repeated[1], **rest),
        st.just((1, None)) | st.tuples(st.integers(2, 9), _DURATIONS),
        id=st.just("one"),
        profiles=_NAMES,
        streams=_PLACES,
        above=_SCORES,
        below=_SCORES,
        phase=st.sampled_from(Phase),
        for_s=st.just(0.0) | _DURATIONS,
    )
    | st.builds(
        SequenceTrigger,
        id=st.just("one"),
        steps=st.lists(_PATTERNS, min_size=2, max_size=4).map(tuple),
        within_s=_DURATIONS,
        same_stream=st.booleans(),
        without=st.none() | _PATTERNS,
    )
    | st.builds(
        SilenceTrigger,
        id=st.just("one"),
        profiles=_NAMES,
        streams=_PLACES,
        for_s=_DURATIONS,
        ran_s=_DURATIONS,
    )
    | st.builds(TimeTrigger, id=st.just("one"), at=st.lists(_CLOCKS, min_size=1).map(tuple), weekdays=_DAYS)
    | st.builds(
        PatternTrigger,
        id=st.just("one"),
        minutes=st.none() | st.integers(0, 59).map(lambda n: (n,)) | st.just(tuple(range(0, 60, 15))),
        seconds=st.integers(0, 59).map(lambda n: (n,)),
    )
    | st.builds(
        MqttTrigger,
        id=st.just("one"),
        topic=_FILTERS,
        payload=st.none() | _WORDS | st.just(""),
        template=st.none() | _VALUE_TEMPLATES,
    )
    | st.builds(
        StateTrigger,
        id=st.just("one"),
        entities=_ENTITIES,
        from_states=st.just(()) | _STATES,
        to_states=st.just(()) | _STATES,
        for_s=st.just(0.0) | _DURATIONS,
    )
)
_CONDITIONS: st.SearchStrategy[Any] = st.recursive(
    st.builds(TimeCondition, after=_CLOCKS, weekdays=_DAYS)
    | st.just(TemplateCondition(template=compile_template("{{ trigger.score > 0.5 }}")))
    | st.just(TriggerCondition(ids=("one",)))
    | st.builds(
        MqttCondition,
        topic=st.sampled_from(["home/alarm", "a"]),
        payloads=st.lists(_WORDS, min_size=1, max_size=2).map(tuple),
        template=st.none() | _VALUE_TEMPLATES,
        max_age_s=st.none() | _DURATIONS,
    )
    | st.builds(
        StateCondition,
        entities=_ENTITIES,
        states=_STATES,
        attribute=st.sampled_from(["", "volume"]),
        for_s=st.just(0.0) | _DURATIONS,
        max_age_s=_DURATIONS,
    ),
    lambda inner: st.builds(
        lambda kind, conditions: kind(conditions=tuple(conditions)),
        st.sampled_from([AllOf, AnyOf, NoneOf]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=4,
)
_PAYLOADS = _WORDS.map(compile_template) | st.dictionaries(
    _WORDS, st.integers() | st.booleans() | st.none(), max_size=3
)
_TOPICS = st.text("abc/", min_size=1, max_size=9).map(compile_template)
_VARIABLES = st.dictionaries(st.sampled_from(["level", "x_1"]), st.integers() | st.booleans(), max_size=2)


def _lists(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(inner, min_size=1, max_size=3).map(tuple)


_EXPIRES = st.none() | st.integers(1, 600).map(float)
_ACTIONS: st.SearchStrategy[Any] = st.recursive(
    st.builds(SaveClip, continue_on_error=st.booleans())
    | st.builds(Delay, delay_s=_DURATIONS)
    | st.builds(
        PublishMqtt,
        topic=_TOPICS,
        payload=_PAYLOADS,
        qos=st.integers(0, 2),
        retain=st.booleans(),
        expires_s=_EXPIRES,
    )
    | st.builds(SetVariables, values=_VARIABLES)
    | st.builds(Describe, question=_WORDS.map(compile_template))
    | st.builds(
        Emit,
        event=st.sampled_from(["made", "made_up"]),
        stream=st.none() | _WORDS.map(compile_template),
        score=st.none() | st.sampled_from(["0.5", "{{ trigger.score }}"]).map(compile_template),
    )
    | st.builds(
        PostWebhook,
        url=st.sampled_from(["https://example.org/a", "{{ trigger.clip_url }}"]).map(compile_template),
        method=st.sampled_from(["POST", "PUT"]),
        headers=st.dictionaries(st.just("X-Room"), _WORDS.map(compile_template), max_size=1),
        payload=_PAYLOADS,
        expires_s=_EXPIRES,
    )
    | st.builds(
        RunCommand,
        command=st.lists(_WORDS.map(compile_template), min_size=1, max_size=3).map(tuple),
        timeout_s=st.integers(1, 600).map(float),
        expires_s=_EXPIRES,
    )
    | st.builds(
        CallAction,
        name=st.sampled_from(["light.turn_on", "notify.mobile_app_phone"]),
        target=st.none() | st.just({"entity_id": compile_template("light.desk")}),
        data=st.none() | st.dictionaries(_WORDS, st.integers() | _WORDS.map(compile_template), max_size=2),
        expires_s=_EXPIRES,
    )
    | st.builds(Stop, reason=_WORDS)
    | st.builds(Check, condition=_CONDITIONS),
    lambda inner: (
        st.builds(
            Choose,
            options=_lists(st.builds(Option, conditions=_lists(_CONDITIONS), actions=_lists(inner))),
            default=_lists(inner),
        )
        | st.builds(Repeat, actions=_lists(inner), count=st.integers(1, 9))
        | st.builds(Repeat, actions=_lists(inner), until=_lists(_CONDITIONS))
        | st.builds(Parallel, branches=_lists(_lists(inner)))
    ),
    max_leaves=5,
)
RULES = st.lists(
    st.builds(
        Rule,
        id=_WORDS,
        alias=_WORDS,
        enabled=st.booleans(),
        triggers=_lists(_TRIGGERS),
        conditions=st.lists(_CONDITIONS, max_size=2).map(tuple),
        actions=_lists(_ACTIONS),
        variables=_VARIABLES,
        mode=st.sampled_from([Mode.PARALLEL, Mode.QUEUED]),
        max_runs=st.integers(2, 9),
        cooldown_s=st.just(0.0) | _DURATIONS,
        keep_firing_for_s=st.just(0.0) | _DURATIONS,
    ),
    max_size=3,
    unique_by=lambda rule: rule.id,
)
