"""Scores against the recent past of their own stream."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.contrast import LAG_HOPS, MEMORY_HOPS, SHARE, along, carried_over, cold, follow


def heard(heights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let one stream hear one profile's heights [n]."""
    states, found = cold(1)[None], []
    for height in heights:
        states, contrasted = follow(states, np.array([[height]], np.float32))
        found.append(contrasted[0, 0])
    return np.array(found, np.float32)


def test_in_a_stream_that_heard_nothing_a_height_stands_as_it_is() -> None:
    """Until the lag has passed there is no past."""
    heights = np.linspace(-2, 5, LAG_HOPS + 1).astype(np.float32)
    np.testing.assert_allclose(heard(heights), heights, atol=1e-6)


def test_the_same_height_counts_more_where_the_place_is_unlike_the_sound() -> None:
    """And less where it always is a little like it."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, 3 * MEMORY_HOPS)
    unlike, like = (heard(np.append(noise + mean, 3.0).astype(np.float32))[-1] for mean in (-1.0, 1.0))
    assert unlike > 3.0 > like


def test_a_place_without_any_change_does_not_make_trifles_large() -> None:
    """The spread has a floor."""
    quiet = np.append(np.zeros(10 * MEMORY_HOPS), 0.1).astype(np.float32)
    assert heard(quiet)[-1] <= 0.1 * (1 - SHARE + SHARE * 2.0) + 1e-6


def test_a_sound_does_not_hide_its_own_beginning() -> None:
    """Its first half second stands as high as its first hop."""
    heights = np.zeros(MEMORY_HOPS + LAG_HOPS, np.float32)
    heights[MEMORY_HOPS:] = 4.0
    beginning = heard(heights)[MEMORY_HOPS:]
    assert beginning.min() >= beginning[0]


@given(st.lists(st.lists(st.floats(-5, 9, width=32), max_size=12), min_size=1, max_size=4))
def test_recordings_side_by_side_stand_out_as_each_alone(recordings: list[list[float]]) -> None:
    """Rows of several recordings may lie in any order among each other."""
    takes = [np.full(len(heights), number, np.int32) for number, heights in enumerate(recordings)]
    heights = np.concatenate([np.array(each, np.float32) for each in recordings])
    order = np.random.default_rng(0).permutation(len(heights))
    # Shuffled among each other, but each recording's own rows in order of time.
    take = np.concatenate(takes)[order]
    shuffled = np.empty_like(heights)
    shuffled[np.argsort(take, kind="stable")] = heights
    found = along(shuffled, take, 1)[np.argsort(take, kind="stable")]
    alone = [heard(np.array(each, np.float32)) for each in recordings]
    np.testing.assert_allclose(found, np.concatenate(alone), atol=1e-5)


def test_what_a_stream_knows_of_a_profile_goes_with_it() -> None:
    """A profile that is new begins cold."""
    state = cold(2)
    state[0] = [1.0, 2.0]
    after = carried_over(state, np.array([1, -1, 0]))
    np.testing.assert_array_equal(after[0], [2.0, 0.0, 1.0])
    assert after.shape == (state.shape[0], 3)
