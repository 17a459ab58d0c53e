"""The simulated cars behave as cars do, and the two sides have nothing in common."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.types import DETECTION_RATE_HZ
from training.cabin.beds import make_beds
from training.cabin.cars import BODIES, Car, make_car
from training.cabin.lombard import LOUDEST_NOISE_DBA, raised, raised_db
from training.cabin.noises import CYLINDERS, Audio, Sounds
from training.cabin.paths import (
    FREQUENCIES_HZ,
    Complex,
    draw_body,
    draw_street,
    inside_path,
    outside_path,
)
from training.cabin.scenes import FULL_SCALE_DB, ONE_PASCAL_DB, SNR_DB, Order, Scene, level, render
from training.cabin.talkers import Utterance, cut


@pytest.fixture(scope="module")
def car() -> Car:
    """One car of the training side."""
    return make_car("train", np.random.default_rng(4))


def noise(seconds: float, seed: int) -> Audio:
    return np.random.default_rng(seed).normal(0.0, 0.1, round(seconds * DETECTION_RATE_HZ)).astype(np.float32)


def spoken(seconds: float = 2.0) -> Audio:
    at = np.arange(round(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    buzz = sum(np.sin(2 * np.pi * 150 * order * at) / order for order in range(1, 30))
    return (0.1 * buzz * (np.sin(2 * np.pi * 3 * at) > -0.5)).astype(np.float32)


@pytest.fixture(scope="module")
def scenes(car: Car) -> list[Scene]:
    """Somebody inside and outside, many times."""
    rng = np.random.default_rng(0)
    sounds = Sounds(streets=[noise(5.0, 1)], music=[noise(5.0, 2)])
    beds = make_beds("train", car, sounds, rng)
    utterance = Utterance(talker="somebody", samples=spoken())
    return [render(Order(inside=bool(at % 2)), car, beds, utterance, rng) for at in range(12)]


def test_no_body_and_no_engine_is_on_both_sides() -> None:
    assert not set(BODIES["train"]) & set(BODIES["test"])
    assert not set(BODIES["train"].values()) & set(BODIES["test"].values())
    assert not set(CYLINDERS["train"]) & set(CYLINDERS["test"])


def test_glass_keeps_voices_out(car: Car) -> None:
    """A voice inside is louder than one a metre outside open windows, and that than behind shut ones."""
    rng = np.random.default_rng(1)

    def heard(windows: str) -> float:
        found = [
            outside_path(car, draw_body(car, windows, rng), draw_street(rng), 1.0, rng) for _ in range(12)
        ]
        return float(np.median([power(path) for path in found]))

    def power(path: Complex) -> float:
        return float(np.mean(np.abs(path[0][(FREQUENCIES_HZ > 300) & (FREQUENCIES_HZ < 4_000)]) ** 2))

    inside = float(np.median([power(inside_path(car, rng)[0]) for _ in range(12)]))
    assert inside > heard("open") > heard("ajar") > heard("closed")
    assert 10 * np.log10(inside / heard("closed")) > 20.0


def test_a_cabin_reverberates_for_about_a_tenth_of_a_second(car: Car) -> None:
    response = car.responses["seat front 0.27 0"][0].astype(float)
    decay = np.cumsum(response[::-1] ** 2)[::-1]
    decibels = 10 * np.log10(decay / decay[0] + 1e-12)
    fell = (np.argmax(decibels < -25.0) - np.argmax(decibels < -5.0)) / DETECTION_RATE_HZ
    assert 0.03 < 3 * fell < 0.16


def test_a_scene_is_as_loud_as_it_says(scenes: list[Scene]) -> None:
    """The noise before the voice lies under it by the drawn ratio, but for what the microphone does."""
    for scene in scenes:
        assert SNR_DB[0] <= scene.snr_db <= SNR_DB[1]
        before = scene.samples[:, : round(scene.start_s * DETECTION_RATE_HZ)].astype(float)
        heard_dba = 20 * np.log10(level(before) / 20e-6) + FULL_SCALE_DB - ONE_PASCAL_DB
        assert heard_dba == pytest.approx(scene.level_dba - scene.snr_db, abs=9.0)


def test_the_same_seed_gives_the_same_scene(car: Car) -> None:
    again = make_car("train", np.random.default_rng(4))
    np.testing.assert_array_equal(again.responses["bulkhead"], car.responses["bulkhead"])


def test_noise_raises_voices(scenes: list[Scene]) -> None:
    """The louder it is the more, and never beyond what a car is loud at most."""
    for scene in scenes:
        louder = raised(scene)
        assert raised_db(scene) >= 0.0
        assert (
            louder.level_dba - louder.snr_db <= max(LOUDEST_NOISE_DBA, scene.level_dba - scene.snr_db) + 1e-6
        )


def test_speech_is_cut_at_its_pauses() -> None:
    """Two phrases with a second between are two utterances; what is too short is none."""
    pause = np.zeros(DETECTION_RATE_HZ, np.float32)
    pieces = list(cut(np.concatenate([pause, spoken(2.0), pause, spoken(2.5), pause, spoken(0.5)])))
    assert [len(piece) / DETECTION_RATE_HZ for piece in pieces] == pytest.approx([2.0, 2.5], abs=0.4)
