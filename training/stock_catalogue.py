"""The profiles that ship: their names, the labels that teach them, and what is no judge of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fewshot_profiles.profile import Kind
    from training.recordings import Row

AMBIENCE_SOURCES = frozenset({"blanket", "moodist", "noisekun", "noixer"})
HOURS_SOURCES = AMBIENCE_SOURCES | {"librispeech", "donateacry"}
"""Recordings that run on as a home does: rates of false alarms are counted on these."""

ALL_BUT_ESC = frozenset({"berklee", "sonicpi", "adafruit"})
"""Collections whose labels come from file names: what a file is not called it may still hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """One profile to be made."""

    name: str
    labels: frozenset[str]
    kind: Kind
    tags: tuple[str, ...]
    description: str
    synthesised: int = 0
    """How many sounds of our own join the recordings."""
    real_weight: float = 1.0
    """How much one recording counts against one synthesised sound."""


def _stock(
    name: str,
    labels: str,
    kind: Kind,
    tags: str,
    description: str,
    synthesised: int = 0,
    real_weight: float = 1.0,
) -> Stock:
    return Stock(
        name=name,
        labels=frozenset(labels.split()),
        kind=kind,
        tags=tuple(tags.split()),
        description=description,
        synthesised=synthesised,
        real_weight=real_weight,
    )


CATALOGUE = (
    _stock("airplane", "airplane", "sustained", "outdoors machine", "An airplane passing overhead"),
    _stock(
        "alarm_beep",
        "clock_alarm alarm alarm_beep",
        "sustained",
        "alarm safety",
        "Beeps of an alarm clock, smoke or carbon monoxide alarm",
        100,
        6.0,
    ),
    _stock("baby_crying", "crying_baby baby_cry", "sustained", "person care", "A baby crying"),
    _stock(
        "birds", "chirping_birds birds_tree forestday_bw_66", "sustained", "animal outdoors", "Birds chirping"
    ),
    _stock("breathing", "breathing", "sustained", "person", "Somebody breathing close by"),
    _stock("car_horn", "car_horn", "impulse", "traffic warning", "A car's horn", 60, 4.0),
    _stock("cat_meow", "cat", "impulse", "animal pet", "A cat meowing"),
    _stock("clapping", "clapping clap", "sustained", "person", "Hands clapping, applause"),
    _stock("cough", "coughing", "impulse", "person health", "A cough"),
    _stock("dog_bark", "dog", "impulse", "animal pet", "A dog barking"),
    _stock("door_knock", "door_wood_knock", "impulse", "door", "Knocking on a wooden door"),
    _stock("engine", "engine car_engine", "sustained", "traffic machine", "An engine running"),
    _stock(
        "finger_snap",
        "finger_snap finger_snap_unsure",
        "impulse",
        "person command",
        "A snap of the fingers",
        160,
        40.0,
    ),
    _stock("fire", "crackling_fire fire campfire fireplace", "sustained", "home", "A fire crackling"),
    _stock("footsteps", "footsteps", "sustained", "person", "Footsteps"),
    _stock("glass_breaking", "glass_breaking glass_break", "impulse", "alarm security", "Glass breaking"),
    _stock("hen", "hen", "sustained", "animal", "Hens clucking"),
    _stock("insects", "insects", "sustained", "animal outdoors", "Insects buzzing or flying by"),
    _stock("keyboard_typing", "keyboard_typing", "sustained", "home office", "Typing on a keyboard"),
    _stock("laughing", "laughing", "sustained", "person", "Laughter"),
    _stock("pig", "pig", "sustained", "animal", "A pig grunting"),
    _stock("pouring_water", "pouring_water", "sustained", "home water", "Water being poured"),
    _stock("rain", "rain ambient_rain", "sustained", "weather", "Rain falling"),
    _stock("sea_waves", "sea_waves", "sustained", "outdoors water", "Waves of the sea"),
    _stock(
        "siren",
        "siren",
        "sustained",
        "alarm traffic warning",
        "The siren of a police car, ambulance or fire engine",
        80,
        6.0,
    ),
    _stock("sneeze", "sneezing", "impulse", "person health", "A sneeze"),
    _stock("snoring", "snoring", "sustained", "person health", "Snoring"),
    _stock("speech", "speech", "sustained", "person", "Somebody speaking"),
    _stock("thunder", "thunderstorm", "sustained", "weather", "Thunder"),
    _stock("train", "train", "sustained", "traffic machine", "A train passing"),
    _stock("vacuum_cleaner", "vacuum_cleaner", "sustained", "appliance home", "A vacuum cleaner running"),
    _stock("washing_machine", "washing_machine", "sustained", "appliance home", "A washing machine running"),
    _stock("water_drops", "water_drops drops", "impulse", "home water", "Drops of water falling"),
    _stock("wind", "wind", "sustained", "weather", "Wind blowing"),
)

# What a file name of ALL_BUT_ESC hints at: such a recording is no judge of these profiles.
_HINTS = (
    (r"water|rain|drip|swim|bucket|pee|gargle", "pouring_water water_drops rain sea_waves"),
    (r"subway|train|underground", "train engine"),
    (r"engine|motor|driving|car|compressor|pump|boat", "engine train"),
    (
        r"drill|dremel|shaver|fan|compressor|motor|sharpener|powertool|egg_beater",
        "vacuum_cleaner washing_machine engine airplane",
    ),
    (r"bird", "birds"),
    (r"stomp|gravel|stairs", "footsteps"),
    (r"siren|theremin", "siren"),
    (r"beep|ring|phone|ping|bell|stopwatch|synth|alarm", "alarm_beep"),
    (r"animal|vocal|scream|ghost|monster", "dog_bark cat_meow pig hen baby_crying laughing speech"),
    (r"clap|slap", "clapping"),
    (r"snap|finger|click", "finger_snap"),
    (r"crash|plate|bulb|glass|bottle_lit|bottle_down|ceramic", "glass_breaking"),
    (r"breath|blow", "breathing wind"),
    (r"bang|rumble|boom", "thunder"),
    (r"thump|knock|wood|door", "door_knock"),
    (r"horn", "car_horn"),
    (r"crinkle|foil|crackle|crumple|crumble", "fire"),
)


def profiles_in(row: Row) -> frozenset[str]:
    """Return the profiles whose sound a recording is, or may hold: it is no negative for them."""
    named = {stock.name for stock in CATALOGUE if row.label in stock.labels}
    hinted: set[str] = set()
    if row.source in ALL_BUT_ESC:
        name = f"{row.label}/{row.path.rsplit('/', 1)[-1]}".lower()
        for pattern, profiles in _HINTS:
            if re.search(pattern, name):
                hinted.update(profiles.split())
    return frozenset(named | hinted | set(row.may_contain))
