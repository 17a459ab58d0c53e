"""How far a score stands out from what its own stream has sounded like in the last seconds.

In a place that sounds nothing like a profile, less is needed to notice its sound than in one that always
sounds a little like it. So each score is measured against the mean and the spread of its own recent past, a
moment ago left out: the cell-averaging constant false alarm rate of radar (Finn and Johnson, RCA Review 29,
1968), in time.

Scores come as heights: over the mean of ordinary background, in its standard deviations. A stream that has
heard nothing yet is taken for ordinary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEMORY_HOPS = 45
"""3.6 s: in so long the past is forgotten to a third."""

LAG_HOPS = 6
"""0.5 s: a sound does not hide its own beginning."""

LEAST_VARIANCE = 0.25
"""Of ordinary background's. No place is so even that a score counts more than twice as much there."""

SHARE = 0.3
"""How much of the decision this is; the rest is the height itself. Found on the training side: with more of
it more is heard in noise, and less of what comes out of the quiet."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast steps of some length forget."""

    weight: float
    """Of one step in mean and spread."""
    lag_steps: int


def pace(hops: int) -> Pace:
    """Return the pace of steps that are so many hops apart."""
    return Pace(weight=-math.expm1(-hops / MEMORY_HOPS), lag_steps=-(-LAG_HOPS // hops))


EACH_HOP = pace(1)


def cold(profiles: int, at: Pace = EACH_HOP) -> NDArray[np.float32]:
    """Return the state of a stream that has heard nothing: [2 + lag_steps, profiles]."""
    state = np.full((2 + at.lag_steps, profiles), np.nan, np.float32)
    state[0], state[1] = 0.0, 1.0
    return state


def follow(
    states: NDArray[np.float32], heights: NDArray[np.float32], at: Pace = EACH_HOP
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Advance by one step.

    Args:
        states: [streams, 2 + lag_steps, profiles]: mean, variance, then the heights that are still left out.
        heights: [streams, profiles].
        at: how long a step is.

    Returns:
        The states after it, and the heights as they stand out [streams, profiles].
    """
    mean, variance, oldest = states[:, 0], states[:, 1], states[:, 2]
    contrasted = (1.0 - SHARE) * heights + SHARE * (heights - mean) / np.sqrt(
        np.maximum(variance, LEAST_VARIANCE)
    )
    apart = np.nan_to_num(oldest - mean)
    spread = (1.0 - at.weight) * (variance + at.weight * apart * apart)
    after = np.empty_like(states)
    after[:, 0] = mean + at.weight * apart
    after[:, 1] = np.where(np.isnan(oldest), variance, spread)
    after[:, 2:-1] = states[:, 3:]
    after[:, -1] = heights
    return after, contrasted.astype(np.float32)


def carried_over(state: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return a stream's state for other profiles: `places` says where each was before, -1 nowhere."""
    after = cold(len(places))
    known = places >= 0
    after[:, known] = state[:, places[known]]
    return after


def along(heights: NDArray[np.float32], take: NDArray[np.int32], hops: int) -> NDArray[np.float32]:
    """Return heights [n], steps of so many hops each, as they stand out in a stream that began cold.

    `take` [n] says which recording each is from; those of one are in order of time.
    """
    at = pace(hops)
    contrasted = np.empty(len(heights), np.float32)
    order = np.argsort(take, kind="stable")
    _, firsts, counts = np.unique(take[order], return_index=True, return_counts=True)
    states = np.repeat(cold(1, at)[None], len(firsts), axis=0)
    for step in range(int(counts.max(initial=0))):
        going_on = np.flatnonzero(counts > step)
        rows = order[firsts[going_on] + step]
        states[going_on], found = follow(states[going_on], heights[rows, None], at)
        contrasted[rows] = found[:, 0]
    return contrasted
