"""What a detector makes of the bank."""

from __future__ import annotations

import numpy as np

from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.fitting import Positives, fit_detector
from fewshot_profiles.heads import Scaling
from fewshot_profiles.resting import rest_of, standing_out

ROWS = 60


def bank() -> BackgroundBank:
    """Two recordings of ordinary hours, and ten sounds chosen for being hard."""
    embeddings = np.random.default_rng(0).normal(size=(2 * ROWS + 10, 4)).astype(np.float32)
    return BackgroundBank(
        encoder="test",
        embeddings=embeddings,
        recording=np.repeat(np.arange(12), [ROWS, ROWS, *[1] * 10]).astype(np.int32),
        ambient=np.arange(len(embeddings)) < 2 * ROWS,
        scaling=Scaling.of(embeddings),
        hours=1.0,
    )


def test_a_head_at_rest_is_measured_on_ordinary_hours_alone() -> None:
    """Sounds chosen for being hard are not what a home usually sounds like."""
    logits = np.concatenate([np.tile([-3.0, -1.0], ROWS), np.full(10, 9.0)]).astype(np.float32)
    rest = rest_of(logits, bank())
    assert (rest.mean, rest.spread) == (-2.0, 1.0)


def test_each_recording_stands_out_of_its_own_past() -> None:
    """A peak counts more in the recording that is unlike the sound, and hard sounds are left as they are."""
    logits = np.random.default_rng(1).normal(size=2 * ROWS + 10).astype(np.float32)
    logits[:ROWS] -= 2.0
    logits[ROWS : 2 * ROWS] += 2.0
    logits[[ROWS - 1, 2 * ROWS - 1]] = 6.0
    found = standing_out(logits, rest_of(logits, bank()), bank())
    assert found[ROWS - 1] > max(6.0, found[2 * ROWS - 1])
    np.testing.assert_array_equal(found[2 * ROWS :], logits[2 * ROWS :])


def test_examples_that_contradict_each_other_leave_a_spread_that_can_be_read() -> None:
    """Each is scored under the background by a head of the other."""
    one = np.array([3.0, 1.0, -2.0, 1.0], np.float32)
    positives = Positives(
        hops=np.stack([one, one, -one, -one]),
        example=np.array([0, 0, 1, 1], np.int32),
        variant=np.zeros(4, np.int32),
    )
    fit = fit_detector(positives, np.zeros((0, 4), np.float32), bank(), None, kind="impulse")
    assert fit.rest.spread > 0.0
