"""What the demonstration plays: planned sounds that must be heard, and a household that must not be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from daemon.demo.synthesis import household, impacts, tones, voice
from daemon.demo.synthesis.room import Room, draw_room, placed, room_noise
from daemon.demo.synthesis.signal import RATE_HZ, add_at, samples, uniform
from detectors.types import Samples

DOORBELL = "doorbell"
"""The profile that the demonstration teaches."""

EXAMPLES = 4
"""How often the doorbell is rung to teach it."""

QUIET_S = 2.0
"""Before the first sound: the gate learns the room's noise floor."""

LAST_S = 5.5
"""After the last sound: its clip is to be whole."""

AUDIBLE = 0.01
"""A sound lasts from when it first reaches this part of its peak until it last does: a siren fades in."""

Make = Callable[[np.random.Generator], Samples]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSound:
    """A sound that must be heard, and by which profile."""

    profile: str
    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Household sound in which nothing must be heard."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One demonstration, complete: the same seed gives the same samples."""

    seed: int
    examples: tuple[Samples, ...]
    """Renderings of the doorbell to teach it from; none of them sounds again in `audio`."""
    planned: tuple[PlannedSound, ...]
    stretches: tuple[Stretch, ...]
    audio: Samples
    """float32 [n], mono at RATE_HZ"""

    @property
    def seconds(self) -> float:
        """How long the scene lasts."""
        return len(self.audio) / RATE_HZ


@dataclass(frozen=True, slots=True, kw_only=True)
class _Act:
    """One sound of the scene before it has a place in time. Without a profile it belongs to the household."""

    profile: str | None
    label: str
    make: Make
    peak_dbfs: tuple[float, float]
    pause_s: tuple[float, float] = (1.2, 1.8)
    """Silence after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    act: _Act
    sound: Samples
    start: int


def plan_scene(seed: int) -> Scene:
    """Draw a scene: its room, its doorbell, the order of things and every sound in it."""
    rng = np.random.default_rng(seed)
    room = draw_room(rng)
    bell = tones.draw_doorbell(rng)
    examples = tuple(_example(rng, bell) for _ in range(EXAMPLES))
    acts = _placed(rng, room, _order(rng, _alarms(bell), _household()))
    audio = _mixed(rng, room, acts)
    heard = [act for act in acts if act.act.profile is not None]
    return Scene(
        seed=seed,
        examples=examples,
        planned=tuple(
            PlannedSound(profile=str(act.act.profile), label=act.act.label, start_s=start_s, end_s=end_s)
            for act in heard
            for start_s, end_s in [_span(act)]
        ),
        stretches=tuple(
            Stretch(label=act.act.label, start_s=act.start / RATE_HZ, end_s=_end(act) / RATE_HZ)
            for act in acts
            if act.act.profile is None
        ),
        audio=audio,
    )


def _alarms(bell: tones.Doorbell) -> list[list[_Act]]:
    """Return what must be heard; the acts of one list stay together."""
    loud = (-14.0, -8.0)
    snap = _Act(profile="finger_snap", label="finger snap", make=impacts.finger_snap, peak_dbfs=(-11.0, -8.0))
    first_snap = _Act(
        profile=snap.profile, label=snap.label, make=snap.make, peak_dbfs=snap.peak_dbfs, pause_s=(0.05, 0.15)
    )
    return [
        [_Act(profile="glass_breaking", label="breaking glass", make=impacts.glass_breaking, peak_dbfs=loud)],
        [_Act(profile="alarm_beep", label="smoke alarm (T3)", make=tones.smoke_alarm, peak_dbfs=loud)],
        [_Act(profile="siren", label="siren", make=tones.siren, peak_dbfs=loud)],
        [first_snap, snap],
        [_Act(profile="baby_crying", label="baby crying", make=voice.baby_crying, peak_dbfs=loud)],
        [
            _Act(
                profile=DOORBELL,
                label="doorbell, just taught",
                make=lambda rng: tones.ring_doorbell(rng, bell),
                peak_dbfs=loud,
            )
        ],
    ]


def _household() -> list[_Act]:
    """Return what must not be heard."""
    quiet = (-34.0, -28.0)
    makes: tuple[tuple[str, Make, tuple[float, float]], ...] = (
        ("fan", lambda rng: household.fan(rng, 4.0), quiet),
        ("music", lambda rng: household.music(rng, 6.0), (-27.0, -21.0)),
        ("babble", lambda rng: voice.babble(rng, 4.0), quiet),
        ("refrigerator", lambda rng: household.refrigerator(rng, 3.0), quiet),
    )
    return [_Act(profile=None, label=label, make=make, peak_dbfs=peak) for label, make, peak in makes]


def _order(rng: np.random.Generator, alarms: list[list[_Act]], household_acts: list[_Act]) -> list[_Act]:
    """Shuffle both kinds and let them take turns, so that something else always sounds before long."""
    groups = [alarms[index] for index in rng.permutation(len(alarms))]
    between = [household_acts[index] for index in rng.permutation(len(household_acts))]
    order: list[_Act] = []
    for index, group in enumerate(groups):
        if index < len(between):
            order.append(between[index])
        order.extend(group)
    return order


def _placed(rng: np.random.Generator, room: Room, order: list[_Act]) -> list[_Placed]:
    """Render each act in the room and give it its place in time."""
    at = samples(QUIET_S)
    acts = []
    for act in order:
        sound = placed(rng, room, act.make(rng), uniform(rng, *act.peak_dbfs))
        acts.append(_Placed(act=act, sound=sound, start=at))
        at += len(sound) + samples(uniform(rng, *act.pause_s))
    return acts


def _mixed(rng: np.random.Generator, room: Room, acts: list[_Placed]) -> Samples:
    audio = room_noise(rng, room, _end(acts[-1]) + samples(LAST_S))
    for act in acts:
        add_at(audio, act.sound, act.start)
    return np.asarray(np.clip(audio, -1.0, 1.0), dtype=np.float32)


def _example(rng: np.random.Generator, bell: tones.Doorbell) -> Samples:
    """Ring the doorbell as an owner would record it: each time from another place, in another room."""
    room = draw_room(rng)
    sound = placed(rng, room, tones.ring_doorbell(rng, bell), uniform(rng, -16.0, -8.0))
    audio = room_noise(rng, room, len(sound) + samples(1.0))
    add_at(audio, sound, samples(0.5))
    return audio.astype(np.float32)


def _end(act: _Placed) -> int:
    return act.start + len(act.sound)


def _span(act: _Placed) -> tuple[float, float]:
    """Return from when to when the sound stands out, in seconds."""
    size = np.abs(act.sound) / np.max(np.abs(act.sound))
    audible = np.flatnonzero(size >= AUDIBLE)
    return (act.start + int(audible[0])) / RATE_HZ, (act.start + int(audible[-1])) / RATE_HZ
