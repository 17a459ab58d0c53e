"""Which stretches the full audio model is given, and how its sounds are told."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from daemon.audio_model.segments import AGAIN_S, BEFORE_S, FIRST_S, LONGEST_S, Look, Segments
from daemon.audio_model.sounds import ModelSounds
from daemon.pipeline import StreamReading
from detectors.types import HOP_S, Decider, Phase, SoundEvent
from tests.daemon.home import parts
from tests.daemon.sounds import sound

WHISTLE = parts().profiles[0]


def reading(at_s: float, opened_s: float | None, **values: Any) -> StreamReading:
    """Return what a stream says after `at_s` seconds; its gate opened at `opened_s`."""
    return StreamReading(
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        gate_open=values.get("gate_open", opened_s is not None),
        speech=False,
        top=(),
        hops=round(at_s / HOP_S),
        encoder_hops=0,
        opened_hop=None if opened_s is None else round(opened_s / HOP_S),
        spoken_hop=round(values["spoken_s"] / HOP_S) if "spoken_s" in values else None,
        epoch_s=values.get("epoch_s", 100.0),
    )


def looks_of(segments: Segments, readings: list[StreamReading]) -> list[Look]:
    return [look for one in readings for look in segments.read("yard", one)[0]]


def test_a_sound_is_looked_at_soon_and_then_now_and_then() -> None:
    """The first second after the gate opened, then every few; no look is longer than is worth it."""
    times_s = np.arange(4.0, 4.0 + FIRST_S + 3 * AGAIN_S, HOP_S)
    segments = Segments()

    looks = looks_of(segments, [reading(0.8, None), *(reading(at, 4.0) for at in times_s)])

    ends = [look.end_s for look in looks]
    np.testing.assert_allclose(ends, [4.0 + FIRST_S, *(5.0 + n * AGAIN_S for n in (1, 2))], atol=2.5 * HOP_S)
    assert looks[0].start_s == pytest.approx(4.0 - BEFORE_S)
    assert all(look.end_s - look.start_s <= LONGEST_S + 1e-9 for look in looks)
    # What lies between two looks is heard by one of them.
    assert all(later.start_s <= earlier.end_s for earlier, later in pairwise(looks))


def test_a_segment_ends_when_the_gate_shuts() -> None:
    """One that shut before it was looked at is looked at then; one that opened again is another one."""
    segments = Segments()
    assert segments.read("yard", reading(4.08, 4.0)) == ([], None)
    [look], ended = segments.read("yard", reading(4.56, 4.0, gate_open=False))
    assert ended is look.segment
    assert ended.shut_s == pytest.approx(4.56)

    segments.read("yard", reading(8.08, 8.0))
    _, first = segments.read("yard", reading(12.08, 12.0))
    assert first is not None
    assert (first.opened_s, first.shut_s) == (8.0, 12.0)
    second = segments.close("yard")
    assert second is not None
    assert second.opened_s == 12.0
    assert segments.close("yard") is None


def test_speech_behind_a_shut_gate_is_a_segment_as_well() -> None:
    """Looked at as soon as any other; it ends with the last word."""
    segments = Segments()
    times_s = np.arange(4.8, 6.0, HOP_S)
    looks = looks_of(segments, [reading(at, None, spoken_s=4.0) for at in times_s])
    assert [look.segment.opened_s for look in looks] == [4.0]
    assert looks[0].end_s == pytest.approx(4.0 + FIRST_S, abs=HOP_S)
    _, ended = segments.read("yard", reading(6.0, None))
    assert ended is looks[0].segment
    assert ended.shut_s == pytest.approx(6.0)


def test_a_gate_that_opens_over_speech_begins_anew_and_shuts_without_an_end() -> None:
    """What opened it is looked at soon; somebody who speaks on keeps it going."""
    segments = Segments()
    segments.read("yard", reading(4.8, None, spoken_s=4.0))
    _, spoken = segments.read("yard", reading(8.08, 8.0, spoken_s=4.0))
    assert spoken is not None
    assert (spoken.opened_s, spoken.shut_s) == (4.0, 8.0)
    assert segments.read("yard", reading(8.96, 8.0, gate_open=False, spoken_s=8.4)) == ([], None)
    [look], ended = segments.read("yard", reading(9.2, 8.0, gate_open=False))
    assert ended is look.segment
    assert ended.opened_s == 8.0
    assert ended.shut_s == pytest.approx(9.2)


class Told:
    """Looks at one segment, and everything that comes of them."""

    def __init__(self) -> None:
        self.segments = Segments()
        self.events: list[SoundEvent] = []
        self.sounds = ModelSounds(self.segments, self.events.append)
        self._at_s = 4.0

    def look(self) -> Look:
        while True:
            self._at_s += HOP_S
            if looks := self.segments.read("yard", reading(self._at_s, 4.0))[0]:
                return looks[0]

    def phases(self) -> list[Phase]:
        return [event.phase for event in self.events]


def profile_event(**values: Any) -> SoundEvent:
    return sound(stream="yard", profile="whistle", epoch_s=100.0, **values)


def test_a_sound_goes_on_until_the_model_no_longer_hears_it() -> None:
    """Its start and its end name who heard it; they have one id, and times in their order."""
    told = Told()
    told.sounds.heard(told.look(), WHISTLE, 0.8)
    told.sounds.heard(told.look(), WHISTLE, 0.9)
    assert told.phases() == [Phase.STARTED]
    last = told.look()
    told.sounds.heard(last, None, 0.6)

    start, end = told.events
    assert (start.id, start.profile, start.profile_version) == (end.id, "whistle", WHISTLE.version)
    assert {start.decided_by, end.decided_by} == {Decider.AUDIO_MODEL}
    assert (start.onset_s, start.score, start.end_s, end.end_s) == (4.0, 0.8, None, last.end_s)
    assert start.onset_s < start.decided_s <= end.decided_s


def test_a_moment_is_over_at_once() -> None:
    """An impulse has no end that could be listened for."""
    told = Told()
    told.sounds.heard(told.look(), replace(WHISTLE, kind="impulse"), 0.8)
    assert told.phases() == [Phase.STARTED, Phase.ENDED]


def test_what_a_profile_told_already_is_not_told_again() -> None:
    """A profile is sooner; the model adds only what it did not hear."""
    told = Told()
    assert told.sounds.is_news(profile_event(onset_s=4.1))
    assert told.sounds.is_news(profile_event(onset_s=4.1, phase=Phase.ENDED, end_s=4.4))
    told.sounds.heard(told.look(), WHISTLE, 0.8)
    assert told.events == []
    told.look()
    told.sounds.heard(told.look(), WHISTLE, 0.8)
    assert told.phases() == [Phase.STARTED]


def test_what_the_model_told_already_is_not_told_again() -> None:
    """Neither the start nor the end of what a profile hears later of the same sound."""
    told = Told()
    told.sounds.heard(told.look(), WHISTLE, 0.8)
    late = profile_event(onset_s=6.0)
    assert not told.sounds.is_news(late)
    assert not told.sounds.is_news(replace(late, phase=Phase.ENDED, end_s=7.0))
    assert told.sounds.is_news(replace(late, id="another", stream="hall"))
