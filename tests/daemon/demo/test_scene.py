"""A scene plays what it plans, in order, with quiet between."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from daemon.demo.scene import DOORBELL, EXAMPLES, LAST_S, QUIET_S, Scene, plan_scene
from daemon.demo.synthesis.signal import RATE_HZ, samples


@pytest.fixture(scope="module")
def scene() -> Scene:
    return plan_scene(0)


def test_the_same_seed_gives_the_same_scene(scene: Scene) -> None:
    """What a demonstration shows can be shown again."""
    again = plan_scene(0)
    assert again.planned == scene.planned
    assert again.stretches == scene.stretches
    np.testing.assert_array_equal(again.audio, scene.audio)


def test_every_promised_sound_is_planned_once_and_the_snap_twice(scene: Scene) -> None:
    """The demonstration holds what its documentation promises."""
    assert sorted(sound.profile for sound in scene.planned) == sorted(
        ["glass_breaking", "alarm_beep", "siren", "finger_snap", "finger_snap", "baby_crying", DOORBELL]
    )
    assert {stretch.label for stretch in scene.stretches} == {"fan", "music", "babble", "refrigerator"}


def test_sounds_neither_overlap_nor_touch_the_ends(scene: Scene) -> None:
    """Each event can be told to belong to one sound, and the last clip has its five seconds."""
    spans = sorted(
        [(sound.start_s, sound.end_s) for sound in scene.planned]
        + [(stretch.start_s, stretch.end_s) for stretch in scene.stretches]
    )
    assert all(start_s < end_s for start_s, end_s in spans)
    assert all(end_s < next_start_s for (_, end_s), (next_start_s, _) in pairwise(spans))
    assert spans[0][0] >= QUIET_S
    assert spans[-1][1] <= scene.seconds - LAST_S
    assert 45.0 <= scene.seconds <= 75.0


def test_the_two_snaps_come_within_a_second(scene: Scene) -> None:
    """They make the rule fire that asks for two snaps within one second."""
    first, second = (sound.start_s for sound in scene.planned if sound.profile == "finger_snap")
    assert 0.4 < second - first < 0.95


def test_the_audio_is_loud_where_a_sound_is_planned_and_quiet_before_the_first(scene: Scene) -> None:
    """Plan and samples agree."""
    assert scene.audio.dtype == np.float32
    assert np.all(np.abs(scene.audio) <= 1.0)
    for sound in scene.planned:
        piece = scene.audio[round(sound.start_s * RATE_HZ) :][: samples(0.05)]
        assert np.max(np.abs(piece)) > 0.01
    assert np.max(np.abs(scene.audio[: samples(QUIET_S * 0.9)])) < 0.02


def test_the_doorbell_is_taught_from_other_renderings_than_are_played(scene: Scene) -> None:
    """Four examples, all different."""
    assert len(scene.examples) == EXAMPLES
    assert len({example.tobytes() for example in scene.examples}) == EXAMPLES
