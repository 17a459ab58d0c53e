"""The rules by which few-shot episodes are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.episodes import Protocol, TooFewClips, draw, run_episodes


def protocol(*, shots: int = 1, queries: int = 15, episodes: int = 50) -> Protocol:
    return Protocol(ways=5, shots=shots, queries=queries, episodes=episodes, seed=3)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=8),
    shots=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_support_and_query_never_share_an_origin(sizes: list[int], shots: int, seed: int) -> None:
    """However a class is spread over its takes, what is asked about was recorded elsewhere."""
    origins = [f"take{take}" for take, size in enumerate(sizes) for _ in range(size)]
    if len(origins) - (shots - 1) - max(sizes) < 1:
        return
    members = np.arange(len(origins))
    support, query = draw(members, origins, protocol(shots=shots), np.random.default_rng(seed))
    assert len(set(support)) == shots
    assert 1 <= len(query) <= 15
    assert not {origins[row] for row in support} & {origins[row] for row in query}


def test_classes_that_lie_apart_are_told_apart() -> None:
    """Eight orthogonal classes: every query right, every unknown below every known."""
    labels = [f"class{way}" for way in range(8) for _ in range(6)]
    embeddings = np.repeat(np.eye(8, dtype=np.float32), 6, axis=0)
    outcome = run_episodes(embeddings, labels, [str(row) for row in range(48)], protocol(shots=5))
    assert outcome.accuracy.mean == 1.0
    assert outcome.open_set_auroc is not None
    assert outcome.open_set_auroc.mean == 1.0
    assert outcome.open_set_recall is not None
    assert outcome.open_set_recall.mean == 1.0


def test_noise_is_told_apart_by_chance_only() -> None:
    """Embeddings that know nothing give one in five: nothing leaks from support to query."""
    rng = np.random.default_rng(5)
    embeddings = rng.normal(size=(80, 16)).astype(np.float32)
    labels = [f"class{row % 8}" for row in range(80)]
    outcome = run_episodes(
        embeddings, labels, [str(row) for row in range(80)], protocol(shots=5, episodes=400)
    )
    assert outcome.accuracy.mean == pytest.approx(0.2, abs=0.05)


def test_too_few_clips_are_named() -> None:
    """Four classes cannot fill a 5-way episode."""
    labels = [f"class{row % 4}" for row in range(40)]
    with pytest.raises(TooFewClips, match="4 have them"):
        run_episodes(np.eye(40, dtype=np.float32), labels, [str(row) for row in range(40)], protocol())
