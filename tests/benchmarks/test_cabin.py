"""How the benchmark of voices in cars counts."""

from __future__ import annotations

import pytest

from benchmarks.cabin import WINDOWS_SHARE, _balanced, _outcome
from fewshot_profiles.cabin import INSIDE, OUTSIDE
from training.cabin.paths import WINDOWS


def test_an_utterance_is_right_only_if_nothing_else_was_heard() -> None:
    assert _outcome({INSIDE}, INSIDE) == "right"
    assert _outcome({OUTSIDE}, INSIDE) == "wrong"
    assert _outcome({INSIDE, OUTSIDE}, INSIDE) == "both"
    assert _outcome(set(), INSIDE) == "missed"


def test_both_kinds_weigh_the_same() -> None:
    """However many utterances there are of each."""
    said = [(True, True)] * 8 + [(True, False)] * 2 + [(False, False)]
    assert _balanced(said) == pytest.approx(0.9)


def test_the_windows_shares_make_a_whole() -> None:
    assert set(WINDOWS_SHARE) == set(WINDOWS)
    assert sum(WINDOWS_SHARE.values()) == pytest.approx(1.0)
