"""What counts as heard."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.recall import judge, onsets_s, sum_up

RATE_HZ = 16_000


@pytest.mark.parametrize(
    ("heard_s", "at_an_onset", "at_the_first", "anywhere"),
    [
        ([1.1], True, True, True),
        ([3.4], True, False, True),
        ([2.2], False, False, True),
        ([], False, False, False),
    ],
)
def test_an_event_counts_when_it_starts_where_a_sound_starts(
    heard_s: list[float], *, at_an_onset: bool, at_the_first: bool, anywhere: bool
) -> None:
    """Half a second either way, at any of the clip's sounds; the other readings stand beside it."""
    verdict = judge(file="x", profile="cough", heard_s=heard_s, sounds_s=[1.0, 3.0])
    assert (verdict.at_an_onset, verdict.at_the_first_onset, verdict.anywhere) == (
        at_an_onset,
        at_the_first,
        anywhere,
    )


def test_onsets_are_found_behind_padding() -> None:
    """Silence before and between sounds is no sound."""
    clip = np.zeros((1, 4 * RATE_HZ), dtype=np.float32)
    for onset_s in (0.5, 2.5):
        first = int(onset_s * RATE_HZ)
        clip[0, first : first + RATE_HZ // 2] = 0.2 * np.sin(np.arange(RATE_HZ // 2) * 0.3)
    assert onsets_s(clip, RATE_HZ) == pytest.approx([0.5, 2.5], abs=0.02)


def test_a_silent_clip_is_asked_about_at_its_start() -> None:
    """It then counts as missed rather than left out."""
    assert onsets_s(np.zeros((1, RATE_HZ), dtype=np.float32), RATE_HZ) == [0.0]


def test_shares_over_clips() -> None:
    """One of two heard."""
    verdicts = [judge(file="x", profile="cough", heard_s=at, sounds_s=[1.0]) for at in ([1.0], [])]
    recall = sum_up(verdicts)
    assert (recall.clips, recall.heard.value, recall.anywhere) == (2, 0.5, 0.5)
