"""What the owner marks moves a detector, and little else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit
from fewshot_profiles.correction import MARGIN, corrected
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.enrollment import Teaching, enroll
from fewshot_profiles.profile import Profile
from tests.fewshot_profiles.conftest import noise, tone


@pytest.fixture
def chime(chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank) -> Profile:
    return enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank).profile


def _hops(encoder: LogMelStatistics, audio: np.ndarray) -> np.ndarray:
    clip = embed_clip(encoder, audio, DETECTION_RATE_HZ)
    return clip.hops[np.argsort(-clip.level_dbfs)[:6]]


def _nothing(profile: Profile) -> np.ndarray:
    return profile.embedded.positives[:0]


def test_a_wrong_sound_is_no_longer_taken_for_it(
    chime: Profile, encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """Whatever its score was, it ends up below the threshold; the examples stay where they were."""
    wrong = _hops(encoder, tone(1_000.0))
    profile = replace(chime, threshold_override=0.3)
    head = corrected(profile, wrong=wrong, missed=_nothing(chime), bank=bank)
    edge = logit(profile.threshold)
    assert head.logits(wrong).max() < edge - MARGIN / 2
    plain = chime.embedded.positives[chime.embedded.variant == 0]
    before, after = chime.detector.head.logits(plain), head.logits(plain)
    assert np.mean(after >= edge) >= np.mean(before >= edge) - 0.1


def test_a_missed_sound_is_heard(chime: Profile, encoder: LogMelStatistics, bank: BackgroundBank) -> None:
    """The other way round."""
    missed = _hops(encoder, tone(980.0, level=0.02))
    profile = replace(chime, threshold_override=0.95)
    head = corrected(profile, wrong=_nothing(chime), missed=missed, bank=bank)
    assert head.logits(missed).min() >= logit(0.95)


def test_what_is_judged_rightly_moves_nothing(
    chime: Profile, encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """A sound far below the threshold needs no change."""
    far = _hops(encoder, noise(77))
    profile = replace(chime, threshold_override=0.9)
    head = corrected(profile, wrong=far, missed=_nothing(chime), bank=bank)
    assert np.array_equal(head.weights, chime.detector.head.weights)
    assert head.bias == chime.detector.head.bias
