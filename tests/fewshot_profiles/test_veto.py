"""What was marked wrong is not heard, nor what is nearer to it than to the examples; everything else is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.encoders import LogMelStatistics
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.calibration import logit
from fewshot_profiles.embedding import embed_clip
from fewshot_profiles.enrollment import Teaching, enroll
from fewshot_profiles.heads import Head
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.profile import Detector, Embedded, Profile
from fewshot_profiles.veto import NEARER, VETOED_LOGIT, logits_of, veto_of
from tests.fewshot_profiles.conftest import tone

DIM = 8


def _unit(*values: float) -> np.ndarray:
    row = np.zeros(DIM, np.float32)
    row[: len(values)] = values
    return np.asarray(row / np.linalg.norm(row), np.float32)


def _profile(wrong: np.ndarray, own: np.ndarray) -> Profile:
    """A profile that hears whatever has much of the first dimension."""
    return Profile(
        name="bell",
        description="",
        tags=(),
        kind="impulse",
        threshold_override=None,
        examples=(),
        embedded=Embedded(positives=own, positive_example=np.zeros(len(own), np.int32), negatives=wrong),
        detector=Detector(
            encoder="test", head=Head(weights=_unit(1.0) * np.float32(10.0), bias=-5.0), threshold=0.5
        ),
    )


OWN = _unit(1.0)
WRONG = _unit(1.0, 1.0)


def test_a_marked_sound_is_no_longer_heard_and_the_examples_still_are() -> None:
    """The same in the matcher, hop by hop."""
    profile = _profile(WRONG[None], OWN[None])
    rows = np.stack([OWN, WRONG, _unit(1.0, 0.1), _unit(0.9, 1.0)])
    assert logits_of(profile, rows).tolist() == pytest.approx(
        [5.0, VETOED_LOGIT, *profile.detector.head.logits(rows[2:3]).tolist(), VETOED_LOGIT]
    )
    assert (Matcher([profile]).score(rows)[:, 0] > 0.5).tolist() == [True, False, True, False]


def test_a_marked_sound_among_the_examples_reaches_less_far_than_they_do() -> None:
    """It is stopped itself; the example beside it is not."""
    beside = _unit(1.0, 0.05)
    profile = _profile(beside[None], OWN[None])
    logits = logits_of(profile, np.stack([OWN, beside]))
    assert logits[0] == pytest.approx(5.0)
    assert logits[1] == VETOED_LOGIT


def test_moments_of_a_wrong_event_that_did_not_make_it_stop_nothing() -> None:
    """The quiet before a false alarm is no false alarm."""
    assert veto_of(_profile(_unit(0.0, 1.0)[None], OWN[None])) is None


@given(st.lists(st.floats(-1.0, 1.0), min_size=DIM, max_size=DIM), st.floats(0.0, 1.0))
def test_what_is_as_like_an_example_as_like_a_marked_sound_is_heard(
    values: list[float], toward: float
) -> None:
    """Outside a marked sound's own reach, only what is nearer to it by a margin is stopped."""
    row = np.array(values, np.float32) * np.float32(toward) + OWN
    row /= max(float(np.linalg.norm(row)), 1e-6)
    profile = _profile(WRONG[None], OWN[None])
    veto = veto_of(profile)
    assert veto is not None
    free = float(row @ WRONG) < min(float(row @ OWN) + NEARER, float(veto.least_cosine[0])) - 1e-5
    before, after = profile.detector.head.logits(row[None])[0], logits_of(profile, row[None])[0]
    assert not free or before == after


def test_marking_leaves_the_head_and_changes_the_version(
    chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank
) -> None:
    """A taught profile hears its own examples as before, and the marked sound no more."""
    chime = replace(
        enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank).profile, threshold_override=0.05
    )
    clip = embed_clip(encoder, tone(1_000.0), DETECTION_RATE_HZ)
    wrong = clip.hops[np.argsort(-clip.level_dbfs)[:6]]
    marked = replace(chime, embedded=replace(chime.embedded, negatives=wrong))
    assert marked.version != chime.version
    assert logits_of(marked, wrong).max() < logit(0.05)
    own = chime.embedded.positives
    heard = logits_of(chime, own) >= logit(0.05)
    assert np.mean(logits_of(marked, own)[heard] >= logit(0.05)) > 0.9
