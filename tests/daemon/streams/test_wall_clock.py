from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.pipeline import Pipeline
from daemon.streams.wall_clock import CATCH_UP_S, KEPT_COURSES, STEP_BEYOND_S, ClockWatch, Course, Timeline
from detectors.types import HOP_S, AudioBlock, Phase
from fewshot_profiles.matcher import Matcher
from tests.daemon.home import hiss, parts, whistle
from tests.encoders_for_tests import LogMelEncoder

EPOCH_S = 1_700_000_000.0
RATE_HZ = 16_000
DAY_S = 86_400.0


def errors_of(
    seconds: float, *, off_ppm: float = 0.0, late_s: float = 0.0, started_late_s: float = 0.0
) -> list[float]:
    """Return how far off the time of each second is, told by a device whose clock is off.

    Every piece of audio is late by up to `late_s`, the first one by `started_late_s`.
    """
    generator = random.Random(0)
    first = EPOCH_S + started_late_s
    watch, timeline = ClockWatch(epoch_s=first), Timeline(first)
    errors = []
    for second in range(1, int(seconds) + 1):
        true_s = second / (1.0 + off_ppm * 1e-6)
        course = watch.arrived(float(second), EPOCH_S + true_s + generator.uniform(0.0, late_s))
        errors.append(timeline.epoch_at(float(second)) + second - EPOCH_S - true_s)
        if course is not None:
            timeline.follow(course)
    return errors


@pytest.mark.parametrize("off_ppm", [-200.0, -50.0, 50.0, 200.0])
def test_a_day_of_a_clock_that_is_off_stays_in_time(off_ppm: float) -> None:
    """A sound card that counts wrong by seconds a day is never off by more than it takes to notice."""
    errors = errors_of(DAY_S, off_ppm=off_ppm)

    assert max(map(abs, errors)) < 0.03


def test_audio_that_is_held_up_moves_no_time() -> None:
    """A network that delays audio by up to a second is not taken for a clock that is off."""
    errors = errors_of(DAY_S / 4, late_s=1.0)

    assert max(map(abs, errors)) < 0.4
    assert np.median(errors) < 0.1


def test_what_the_first_block_had_waited_is_made_good() -> None:
    """A device that needs long to begin does not make all that follows late."""
    errors = errors_of(1_200.0, started_late_s=5.0)

    assert errors[0] == pytest.approx(5.0)
    assert abs(errors[-1]) < 0.01


@pytest.mark.parametrize("set_by_s", [1_000_000_000.0, -3_600.0])
def test_a_clock_that_is_set_is_followed(set_by_s: float) -> None:
    """A machine without a battery learns the time while heard runs; sounds have the right one soon."""
    watch, timeline = ClockWatch(epoch_s=EPOCH_S), Timeline(EPOCH_S)
    for second in range(1, 200):
        course = watch.arrived(float(second), EPOCH_S + second + (set_by_s if second > 100 else 0.0))
        if course is not None:
            timeline.follow(course)

    assert timeline.epoch_at(95.0) == EPOCH_S
    assert timeline.epoch_at(199.0) == EPOCH_S + set_by_s


def test_a_file_through_a_pipe_keeps_its_time() -> None:
    """Audio that comes faster than it sounded tells nothing about the clock."""
    watch = ClockWatch(epoch_s=EPOCH_S)

    assert {watch.arrived(second, EPOCH_S + second / 100) for second in range(600)} == {None}


@given(
    held_up=st.lists(st.floats(0.0, STEP_BEYOND_S / 2), min_size=1, max_size=40),
    piece_s=st.floats(0.01, 40.0),
)
def test_time_never_goes_back(held_up: list[float], piece_s: float) -> None:
    """What sounded later has the later time, whatever held the audio up, unless the clock was set back."""
    watch, timeline = ClockWatch(epoch_s=EPOCH_S), Timeline(EPOCH_S)
    end_s, before = 0.0, EPOCH_S
    for late_s in held_up * 3:
        end_s += piece_s
        course = watch.arrived(end_s, EPOCH_S + end_s + late_s)
        if course is not None:
            timeline.follow(course)
        after = timeline.epoch_at(end_s) + end_s
        assert after > before
        before = after


def test_a_sound_ends_by_the_course_of_its_onset() -> None:
    """However many corrections come while it goes on, its beginning and its end are of one sound."""
    timeline = Timeline(EPOCH_S)
    begun = timeline.epoch_of("rain", RATE_HZ, Phase.STARTED)
    for number in range(KEPT_COURSES * 2):
        timeline.follow(Course(from_s=30.0 * (number + 1), epoch_s=EPOCH_S + number, slope=0.01))

    assert timeline.epoch_of("rain", RATE_HZ, Phase.ENDED) == begun == EPOCH_S
    assert timeline.epoch_of("rain", 100 * RATE_HZ, Phase.STARTED) != begun


def test_a_course_holds_from_its_second_on_however_audio_is_cut() -> None:
    """What sounded before a correction keeps its time, though it is decided on behind it."""
    audio = hiss(12.0)
    for at_s in (2.0, 8.0):
        audio[round(at_s * RATE_HZ) :][: round(1.5 * RATE_HZ)] += whistle()
    course = Course(from_s=5.0, epoch_s=EPOCH_S + 100.0, slope=1.0 / CATCH_UP_S)

    def heard(block_samples: int) -> list[float]:
        pipeline = Pipeline(LogMelEncoder(), Matcher(parts().profiles))
        pipeline.open("yard", rate_hz=RATE_HZ, channels=1, epoch_s=EPOCH_S)
        events = []
        for start in range(0, len(audio), block_samples):
            if start <= course.from_s * RATE_HZ < start + block_samples:
                pipeline.correct("yard", course)
            block = AudioBlock(
                samples=audio[None, start : start + block_samples], rate_hz=RATE_HZ, start=start
            )
            events += pipeline.accept({"yard": block})
        events += pipeline.close("yard")
        return [event.onset_at for event in events]

    first, first_end, second, second_end = heard(320)
    assert (first, second) == (first_end, second_end)
    assert first == pytest.approx(EPOCH_S + 2.0, abs=2 * HOP_S)
    assert second == pytest.approx(EPOCH_S + 108.0 + 3.0 / CATCH_UP_S, abs=2 * HOP_S)
    assert heard(37) == heard(len(audio)) == [first, first, second, second]
