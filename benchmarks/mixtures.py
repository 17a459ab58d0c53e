"""Rare sounds in long recordings of places, mixed the way DCASE 2017's task 2 was: call them "DCASE17-style".

    pieces = list(mixtures(events_of(rows, "fireworks"), places_for(rows, "fireworks"), count=500, seed=0))

A mixture is half a minute of a place. Half of them hold one sound, at a stated event-to-background
ratio (EBR): the RMS of the sound over the RMS of what lies under it. The same rows and seed give the same
samples, and mixture number n does not depend on how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.activity import active_regions
from fewshot_profiles.embedding import frame_clip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.dataset import Recording
    from detectors.types import Samples

_TRIES = 50
_TAIL_SAMPLES = round(0.3 * DETECTION_RATE_HZ)
_FADE_SAMPLES = round(0.05 * DETECTION_RATE_HZ)
_DEAD_DBFS = -75.0
"""A place is not mixed under an event where it is as good as silent: the ratio would mean nothing."""


class CannotMix(Exception):
    """The rows hold no event, or no place that is long enough; the text says which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How mixtures are made; the defaults are those of the task."""

    seconds: float = 30.0
    presence: float = 0.5
    """The share of mixtures that hold an event."""
    ebr_db: tuple[float, ...] = (-6.0, 0.0, 6.0)
    """Taken in turn; a mixture without an event belongs to one, too, so that insertions have hours."""
    headroom: float = 0.2
    """Everything is scaled by this, so that nothing clips."""
    longest_event_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """Half a minute of sound, and what is known about it."""

    name: str
    samples: Samples = field(repr=False)
    """float32 [n] at DETECTION_RATE_HZ"""
    ebr_db: float
    place: str
    """Path of the background within the data."""
    event: str | None
    """Path of the event's recording; None where there is none, and then neither has it an onset or an end."""
    onset_s: float | None
    end_s: float | None


def events_of(rows: Sequence[Recording], profile: str) -> list[Recording]:
    """Return the clips of one sound: rows of its name that are no recordings of places."""
    return [row for row in rows if row.profile == profile and not row.ambience]


def places_for(rows: Sequence[Recording], profile: str) -> list[Recording]:
    """Return the rows of which somebody has judged what they hold, and this sound is not among it."""
    return [row for row in rows if row.may_contain and profile not in row.may_contain | {row.profile}]


def mixtures(
    events: Sequence[Recording],
    places: Sequence[Recording],
    *,
    count: int,
    seed: int,
    recipe: Recipe | None = None,
) -> Iterator[Mixture]:
    """Yield `count` mixtures. Raises CannotMix when the rows do not suffice."""
    recipe = recipe or Recipe()
    length = round(recipe.seconds * DETECTION_RATE_HZ)
    sounding = [event for event in events if cut_event(event, recipe.longest_event_s) is not None]
    long_enough = [place for place in places if _lasts(place, recipe.seconds) and len(mono(place)) >= length]
    if not sounding:
        raise CannotMix("none of these rows is a clip in which the sound can be found")
    if not long_enough:
        raise CannotMix(f"none of these rows is a place of at least {recipe.seconds:g} s without the sound")
    for number in range(count):
        yield _mixture(sounding, long_enough, number=number, seed=seed, recipe=recipe)


def _lasts(place: Recording, seconds: float) -> bool:
    """Believe the manifest where it says that a recording is too short: decoding takes longer."""
    return float(place.columns.get("seconds") or seconds) >= seconds


@cache
def mono(recording: Recording) -> Samples:
    """Return the recording as detection hears it: float32 [n] at DETECTION_RATE_HZ. Kept in memory."""
    samples = frame_clip(*recording.load()).ravel()
    samples.flags.writeable = False
    return samples


@cache
def cut_event(recording: Recording, longest_s: float) -> Samples | None:
    """Return the loudest stretch of sound in a clip, without the silence around it; None in silence.

    It may die away for a moment, and fades out where something else in the clip would follow.
    """
    audio = mono(recording)
    regions = active_regions(audio)
    if not regions:
        return None
    loudest = max(regions, key=lambda region: region.peak_dbfs)
    end = min(
        [region.start for region in regions if region.start > loudest.start]
        + [loudest.end + _TAIL_SAMPLES, loudest.start + round(longest_s * DETECTION_RATE_HZ), len(audio)]
    )
    sound = audio[loudest.start : end].copy()
    fade = min(_FADE_SAMPLES, len(sound))
    sound[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return sound


def _mixture(
    events: Sequence[Recording], places: Sequence[Recording], *, number: int, seed: int, recipe: Recipe
) -> Mixture:
    rng = np.random.default_rng((seed, number))
    ebr_db = recipe.ebr_db[number % len(recipe.ebr_db)]
    # Spread evenly, so that every ratio has its share of events however few mixtures there are.
    turn = number // len(recipe.ebr_db)
    present = int((turn + 1) * recipe.presence) > int(turn * recipe.presence)
    event = events[int(rng.integers(len(events)))]
    sound = cut_event(event, recipe.longest_event_s)
    assert sound is not None, "silent clips were sorted out"
    place, samples, at = _bed(places, len(sound), rng, recipe)
    if present:
        under = samples[at : at + len(sound)]
        under += sound * np.float32(10.0 ** (ebr_db / 20.0) * _rms(under) / _rms(sound))
    samples *= np.float32(recipe.headroom)
    samples /= max(1.0, float(np.abs(samples).max()))
    return Mixture(
        name=f"{seed}-{number:04}",
        samples=samples,
        ebr_db=ebr_db,
        place=place.columns["path"],
        event=event.columns["path"] if present else None,
        onset_s=at / DETECTION_RATE_HZ if present else None,
        end_s=(at + len(sound)) / DETECTION_RATE_HZ if present else None,
    )


def _bed(
    places: Sequence[Recording], event_samples: int, rng: np.random.Generator, recipe: Recipe
) -> tuple[Recording, Samples, int]:
    """Choose a piece of a place, and where in it an event of this length could stand on sound."""
    length = round(recipe.seconds * DETECTION_RATE_HZ)
    for _ in range(_TRIES):
        place = places[int(rng.integers(len(places)))]
        audio = mono(place)
        first = int(rng.integers(len(audio) - length + 1))
        at = int(rng.integers(length - event_samples + 1))
        samples = audio[first : first + length].copy()
        if 20.0 * np.log10(_rms(samples[at : at + event_samples])) > _DEAD_DBFS:
            return place, samples, at
    raise CannotMix("the places are as good as silent")


def _rms(samples: Samples) -> float:
    return max(1e-9, float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))
