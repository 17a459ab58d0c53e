from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.segmenter import SegmenterState, Transition, finish, initial_state, step
from detectors.segmenter_plan import Plan, SegmenterSettings, plan
from detectors.types import HOP_SAMPLES, HopScores, Phase

THRESHOLD = 0.8
SNAP, HUM = 0, 1
PLAN = plan(np.full(2, THRESHOLD, np.float32), ("impulse", "sustained"), SegmenterSettings())


def run(
    scores: Sequence[Sequence[float]] | NDArray[np.float32],
    *,
    onsets: dict[int, int] | None = None,
    levels: Sequence[float] | None = None,
    the_plan: Plan = PLAN,
) -> list[tuple[int, Transition]]:
    """Step through rows of scores; return each transition with the hop that decided it.

    Without `levels` it is loud where anything scores, and quiet elsewhere.
    """
    onsets = onsets or {}
    state = initial_state(len(the_plan.enter))
    transitions = []
    for index, row in enumerate(scores):
        hop = HopScores(
            index=index,
            scores=np.array(row, np.float32),
            level_dbfs=(-30.0 if any(row) else -60.0) if levels is None else levels[index],
            noise_floor_dbfs=-60.0,
            speech=index == 7,
        )
        onset = onsets.get(index)
        state, new = step(state, hop, None if onset is None else index * HOP_SAMPLES + onset, the_plan)
        transitions += [(index, transition) for transition in new]
    return transitions + [(len(scores), transition) for transition in finish(state)]


def alone(profile: int, scores: Sequence[float]) -> list[list[float]]:
    return [[score if at == profile else 0.0 for at in (SNAP, HUM)] for score in scores]


def phases(transitions: list[tuple[int, Transition]]) -> list[tuple[int, Phase]]:
    return [(index, transition.phase) for index, transition in transitions]


def test_an_impulse_starts_on_one_hop_and_ends() -> None:
    """One hop over the threshold starts it; three hops under the lower one end it."""
    result = run(alone(SNAP, [0, 0, 0.9, 0.5, 0.2, 0.1, 0.0, 0.0, 0.0]))
    assert phases(result) == [(2, Phase.STARTED), (6, Phase.ENDED)]
    ended = result[1][1]
    assert ended.onset_sample == 2 * HOP_SAMPLES
    assert ended.end_sample == 4 * HOP_SAMPLES
    assert ended.score == pytest.approx(0.9)


def test_a_sustained_sound_needs_three_of_five() -> None:
    """Two hops over the threshold are a coincidence, three of five are a sound."""
    assert run(alone(HUM, [0, 0.9, 0, 0.9, 0, 0, 0, 0.9, 0.9, 0])) == []
    result = run(alone(HUM, [0, 0.9, 0, 0.9, 0, 0.9, 0, 0]))
    assert phases(result)[0] == (5, Phase.STARTED)
    assert result[0][1].onset_sample == 1 * HOP_SAMPLES


def test_a_pause_does_not_end_a_sustained_sound() -> None:
    """A smoke alarm's pause of a second and a half lies inside one sound."""
    beeps = [0.9] * 12 + [0.0] * 19
    result = run(alone(HUM, beeps * 3 + [0.0] * 30))
    assert [phase for _, phase in phases(result)] == [Phase.STARTED, Phase.ENDED]
    assert result[1][1].end_sample == (2 * 31 + 12) * HOP_SAMPLES


def test_the_lower_threshold_keeps_it_going() -> None:
    """Between the two thresholds a sound goes on, but none starts."""
    assert phases(run(alone(SNAP, [0.6] * 10))) == []
    assert phases(run(alone(SNAP, [0.9] + [0.6] * 10))) == [(0, Phase.STARTED), (11, Phase.ENDED)]


def test_the_end_comes_with_the_stream() -> None:
    """A sound that still goes on when the stream ends is ended."""
    result = run(alone(HUM, [0.9] * 4))
    assert phases(result) == [(2, Phase.STARTED), (4, Phase.ENDED)]
    assert result[1][1].end_sample == 4 * HOP_SAMPLES


def test_an_abrupt_onset_is_the_best_witness() -> None:
    """The onset is the gate's 10 ms, when one came just before the score rose."""
    result = run(alone(SNAP, [0, 0, 0, 0, 0.9, 0, 0, 0]), onsets={2: 480})
    assert result[0][1].onset_sample == 2 * HOP_SAMPLES + 480


def test_an_onset_long_before_has_nothing_to_do_with_it() -> None:
    """Something abrupt that the encoder had time to react to and did not is another sound."""
    result = run(alone(SNAP, [0, 0, 0, 0, 0, 0, 0.9, 0]), onsets={1: 0})
    assert result[0][1].onset_sample == 6 * HOP_SAMPLES


def test_the_onset_is_where_the_score_rose() -> None:
    """Evidence that builds up is dated back to its beginning, but not for ever."""
    result = run(alone(HUM, [0, 0.3, 0.5, 0.7, 0.9, 0.9, 0.9]))
    assert result[0][1].onset_sample == 1 * HOP_SAMPLES
    result = run(alone(HUM, [0.4] * 30 + [0.9] * 3))
    assert result[0][1].onset_sample == (30 - 6) * HOP_SAMPLES


def test_the_onset_is_where_the_stretch_of_sound_began() -> None:
    """The encoder is sure after a while; the sound began when the quiet ended."""
    levels = [-60.0] * 5 + [-30.0] * 15
    result = run(alone(SNAP, [0.0] * 14 + [0.9] * 6), levels=levels)
    assert result[0][1].onset_sample == 5 * HOP_SAMPLES


def test_what_began_before_the_encoders_memory_is_dated_by_its_score() -> None:
    """In noise that goes on for long, the level says nothing."""
    levels = [-60.0] * 5 + [-30.0] * 45
    result = run(alone(SNAP, [0.0] * 44 + [0.9] * 6), levels=levels)
    assert result[0][1].onset_sample == 44 * HOP_SAMPLES


def test_a_rooms_tail_does_not_start_it_again() -> None:
    """After its end a sound starts again at once only on something abrupt."""
    tail = [0.9, 0, 0, 0, 0.9, 0, 0, 0, 0, 0, 0]
    assert [phase for _, phase in phases(run(alone(SNAP, tail)))] == [Phase.STARTED, Phase.ENDED]
    twice = run(alone(SNAP, tail), onsets={0: 160, 4: 320})
    assert [phase for _, phase in phases(twice)] == [Phase.STARTED, Phase.ENDED] * 2
    assert twice[2][1].onset_sample == 4 * HOP_SAMPLES + 320


def test_two_snaps_are_two_although_the_score_stays_high() -> None:
    """An impulse that falls silent and comes back as loud has sounded twice."""
    levels = [-60.0, -20.0, -45.0, -58.0, -60.0, -22.0, -45.0, -60.0, -60.0, -60.0, -60.0, -60.0]
    scores = alone(SNAP, [0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0, 0, 0, 0])
    result = run(scores, onsets={1: 0, 5: 640}, levels=levels)
    assert [phase for _, phase in phases(result)] == [
        Phase.STARTED,
        Phase.ENDED,
        Phase.STARTED,
        Phase.ENDED,
    ]
    assert result[1][1].end_sample == 5 * HOP_SAMPLES
    assert result[2][1].onset_sample == 5 * HOP_SAMPLES + 640


def test_shards_that_follow_the_crash_are_the_same_sound() -> None:
    """Abrupt onsets without silence between, or much softer ones, belong to the sound that goes on."""
    scores = alone(SNAP, [0.9] * 10 + [0] * 4)
    dense = [-20.0, -25.0] * 7
    sparse = [-20.0, -50.0, -50.0, -50.0, -40.0] + [-50.0] * 9
    for levels in (dense, sparse):
        result = run(scores, onsets={0: 0, 4: 0}, levels=levels)
        assert [phase for _, phase in phases(result)] == [Phase.STARTED, Phase.ENDED]


def test_events_carry_level_floor_and_speech() -> None:
    """The level is that of the loudest hop since the onset; speech anywhere in the sound counts."""
    levels = [-60.0] * 5 + [-35.0, -20.0, -30.0] + [-60.0] * 10
    result = run(alone(SNAP, [0] * 6 + [0.9, 0.9] + [0] * 10), onsets={5: 0}, levels=levels)
    started, ended = result[0][1], result[1][1]
    assert (started.level_dbfs, started.noise_floor_dbfs, started.speech) == (-20.0, -60.0, False)
    assert ended.speech


def test_profiles_do_not_disturb_each_other() -> None:
    """A profile's sounds are the same whether others are scored beside it or not."""
    generator = np.random.default_rng(0)
    scores = generator.random((400, 2)).astype(np.float32) ** 0.5
    both = run(scores)
    for profile, kind in ((SNAP, "impulse"), (HUM, "sustained")):
        single = plan(PLAN.enter[:1], (kind,), SegmenterSettings())
        expected = [(index, each.phase, each.onset_sample) for index, each in both if each.profile == profile]
        result = run(scores[:, profile : profile + 1], the_plan=single)
        assert [(index, each.phase, each.onset_sample) for index, each in result] == expected


@given(
    scores=st.lists(st.tuples(*[st.sampled_from([0.0, 0.3, 0.5, 0.79, 0.8, 1.0])] * 2), max_size=120),
    onset_hops=st.sets(st.integers(0, 119)),
)
def test_starts_and_ends_alternate_whatever_comes(
    scores: list[tuple[float, float]], onset_hops: set[int]
) -> None:
    """For each profile: start, end, start, end, each after the one before; every start has its end."""
    result = run(scores, onsets=dict.fromkeys(onset_hops, 160), levels=[-60.0 + 40 * s[0] for s in scores])
    for profile in (SNAP, HUM):
        mine = [(index, each) for index, each in result if each.profile == profile]
        assert [each.phase for _, each in mine] == [Phase.STARTED, Phase.ENDED] * (len(mine) // 2)
        for (_, start), (_, end) in zip(mine[::2], mine[1::2], strict=True):
            assert start.onset_sample == end.onset_sample
            assert end.end_sample is not None
            assert end.end_sample > start.onset_sample
        for (_, end), (index, start) in zip(mine[1::2], mine[2::2], strict=False):
            assert end.end_sample is not None
            assert end.end_sample <= start.onset_sample <= (index + 1) * HOP_SAMPLES


def test_no_profiles_are_fine() -> None:
    """With nothing to listen for, nothing is heard."""
    empty = plan(np.zeros(0, np.float32), (), SegmenterSettings())
    assert run(np.zeros((5, 0), np.float32), the_plan=empty) == []


def test_a_step_leaves_its_state_alone() -> None:
    """States are values: the same state and hop give the same result again."""
    state: SegmenterState = initial_state(2)
    hop = HopScores(
        index=0,
        scores=np.array([0.9, 0.9], np.float32),
        level_dbfs=-20.0,
        noise_floor_dbfs=-60.0,
        speech=True,
    )
    first, transitions = step(state, hop, None, PLAN)
    again, repeated = step(state, hop, None, PLAN)
    assert transitions == repeated
    assert first.soundings == again.soundings
    assert state.soundings == ()
    assert not state.over.any()
