"""What the student studies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.types import DETECTION_RATE_HZ
from training.augmentation import Chances, augment, simulate_rooms
from training.curriculum import MIXTURE_SAMPLES, VARIETY
from training.disguises import disguise
from training.mixtures import Mixer, made_up
from training.production import FAMILIES, produced
from training.recordings import Recordings, Row, may_teach, read_manifest


@pytest.mark.recordings
def test_nothing_teaches_that_may_not_ship_or_that_judges(shared: Path) -> None:
    """The licence rule and the splits, row by row."""
    teaching = [row for row in read_manifest(shared / "audio") if may_teach(row)]
    assert teaching
    assert {row.split for row in teaching} == {"train"}
    assert not {row.licence for row in teaching if "NC" in row.licence or "Sampling" in row.licence}


def test_made_up_sounds_are_finite_and_bounded() -> None:
    """Whatever the dice say."""
    for seed in range(200):
        sound = made_up(np.random.default_rng(seed), MIXTURE_SAMPLES)
        assert sound.shape == (MIXTURE_SAMPLES,)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 0.5 + 1e-6


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_every_family_of_sounds_is_finite_and_never_the_same(family: Callable[..., Any]) -> None:
    """Whatever the dice say; and it is a sound, not silence."""
    sounds = [family(np.random.default_rng(seed), MIXTURE_SAMPLES) for seed in range(20)]
    assert {sound.shape for sound in sounds} == {(MIXTURE_SAMPLES,)}
    assert np.isfinite(sounds).all()
    assert all(np.abs(sound).max() > 0 for sound in sounds)
    assert len({sound.tobytes() for sound in sounds}) == len(sounds)


def test_produced_sounds_are_finite_and_bounded() -> None:
    """In a body, overdriven, or as they are."""
    for seed in range(60):
        sound = produced(np.random.default_rng(seed), MIXTURE_SAMPLES)
        assert sound.shape == (MIXTURE_SAMPLES,)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() <= 0.5 + 1e-6


def test_the_same_seed_draws_the_same_mixture() -> None:
    """A run can be repeated."""
    row = Row(
        path="a", source="esc50", label="a", fold="1", group="a", seconds=1, licence="CC0", ships=True,
        split="train", may_contain=(), attribution="",
    )  # fmt: skip
    noise = (np.random.default_rng(0).standard_normal(200_000) * 3_000).astype(np.int16)
    mixer = Mixer.of(Recordings(rows=(row,), audio=(noise,)))
    first, second = (mixer.draw(np.random.default_rng(3), VARIETY) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.shape == (MIXTURE_SAMPLES,)
    assert np.abs(first).max() <= 0.9 + 1e-6


def test_disguised_sounds_keep_their_length_and_stay_finite() -> None:
    """Each disguise, also of silence."""
    noise = np.random.default_rng(0).standard_normal(MIXTURE_SAMPLES).astype(np.float32) * 0.1
    for seed in range(30):
        for sound, other in ((noise, noise[::-1]), (noise, 0 * noise), (0 * noise, noise)):
            strange = disguise(np.random.default_rng(seed), sound, other)
            assert strange.shape == sound.shape
            assert np.isfinite(strange).all()


def test_augmented_sounds_stay_within_full_scale_at_every_level() -> None:
    """From −60 dBFS to clipped, never beyond."""
    rooms = simulate_rooms(3, seed=1)
    rng = np.random.default_rng(2)
    crop = (rng.standard_normal(DETECTION_RATE_HZ) * 0.1).astype(np.float32)
    peaks = []
    for _ in range(60):
        heard = augment(rng, crop, crop[::-1], rooms, Chances())
        assert heard.shape == crop.shape
        assert np.isfinite(heard).all()
        peaks.append(np.abs(heard).max())
    assert max(peaks) <= 1
    assert min(peaks) < 0.01
