"""Waiting before the next try."""

from __future__ import annotations

from foundation.backoff import Backoff


def test_waits_double_at_most_to_their_bound_and_begin_anew_after_a_steady_time() -> None:
    """Of many draws, the longest comes near the bound and never passes it."""
    longest = [0.0] * 6
    for _ in range(300):
        backoff = Backoff(first_s=1.0, most_s=8.0, steady_after_s=30.0)
        waits = [backoff.after(0.0) for _ in range(5)]
        waits.append(backoff.after(31.0))
        longest = [max(pair) for pair in zip(longest, waits, strict=True)]
    bounds = [1.0, 2.0, 4.0, 8.0, 8.0, 1.0]
    for wait, bound in zip(longest, bounds, strict=True):
        assert 0.8 * bound < wait <= bound
