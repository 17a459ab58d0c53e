"""Two profiles that compete, and what a car's own voices make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.cabin_cues import cue_id
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.cabin import CABIN_FOLDER, CABIN_PROFILES, INSIDE, cabin_matchers, read_cabin
from fewshot_profiles.cabin_adaptation import Voice, adapt, listen
from fewshot_profiles.folder import write_profile
from fewshot_profiles.profile import Profile
from foundation.errors import ProfileError


def logits(profiles: tuple[Profile, ...], cues: np.ndarray) -> np.ndarray:
    inside, outside = (profile.detector.head.logits(cues) for profile in profiles)
    return np.asarray(inside - outside)


@pytest.mark.parametrize("microphones", [1, 2])
def test_only_the_likelier_one_scores(microphones: int) -> None:
    """A voice is never inside and outside at once."""
    matcher = cabin_matchers([CABIN_FOLDER])[microphones]
    for profile in read_cabin([CABIN_FOLDER], microphones):
        for cues in profile.embedded.positives[:20]:
            scores = matcher.score(cues)
            assert scores.shape == (len(CABIN_PROFILES),)
            assert scores.min() == 0.0
            assert 0.0 <= scores.max() <= 1.0


@pytest.mark.parametrize("microphones", [1, 2])
def test_the_stock_profiles_know_what_they_learnt_from(microphones: int) -> None:
    inside, outside = read_cabin([CABIN_FOLDER], microphones)
    assert (logits((inside, outside), inside.embedded.positives) > 0).mean() > 0.8
    assert (logits((inside, outside), outside.embedded.positives) < 0).mean() > 0.8


def test_a_car_that_hears_otherwise_is_learnt_from_three_voices_of_each_kind() -> None:
    """Microphones that are eight decibels deaf turn insiders out; examples bring them back."""
    profiles = read_cabin([CABIN_FOLDER], 1)
    deaf = np.zeros(cue_id(1).dim, np.float32)
    deaf[:25] = -8.0

    def voices(start: int, count: int) -> list[Voice]:
        return [
            Voice(
                file=Path("voice.wav"),
                inside=profile.name == INSIDE,
                cues=profile.embedded.positives[at : at + 1] + deaf,
            )
            for profile in profiles
            for at in range(start, start + count)
        ]

    adapted = adapt(profiles, voices(0, 3))
    rest = voices(3, 40)

    def right(known: tuple[Profile, ...]) -> float:
        return float(np.mean([(logits(known, voice.cues)[0] > 0) == voice.inside for voice in rest]))

    assert right(adapted) > right(profiles)
    assert [profile.version for profile in adapted] != [profile.version for profile in profiles]


def test_examples_that_were_right_change_little() -> None:
    """The stock heads are the prior: what they know already does not move them far."""
    profiles = read_cabin([CABIN_FOLDER], 1)
    sure = [
        Voice(file=Path("voice.wav"), inside=profile.name == INSIDE, cues=cues[None])
        for profile in profiles
        for cues in profile.embedded.positives[:3]
    ]
    cues = np.concatenate([profile.embedded.positives for profile in profiles])
    moved = logits(adapt(profiles, sure), cues) - logits(profiles, cues)
    assert np.median(np.abs(moved)) < 2.0


def test_the_owners_car_takes_the_place_of_the_stock_one(tmp_path: Path) -> None:
    stock = read_cabin([CABIN_FOLDER], 1)
    voice = Voice(file=Path("v.wav"), inside=True, cues=stock[1].embedded.positives[:2])
    for profile in adapt(stock, [voice]):
        write_profile(profile, tmp_path, encoders_from=CABIN_FOLDER / profile.name)
    own = read_cabin([CABIN_FOLDER, tmp_path], 1)
    assert own[0].version != stock[0].version
    assert read_cabin([CABIN_FOLDER, tmp_path], 2)[0].version == read_cabin([CABIN_FOLDER], 2)[0].version


def test_an_example_without_a_voice_is_refused_with_a_remedy() -> None:
    silence = np.zeros((1, 3 * DETECTION_RATE_HZ), np.float32)
    with pytest.raises(ProfileError, match="nobody is heard to speak"):
        listen(
            Path("quiet.wav"),
            silence,
            DETECTION_RATE_HZ,
            inside=True,
            full_scale_db_spl=120.0,
            distance_m=0.1,
        )
