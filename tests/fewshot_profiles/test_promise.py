"""What a threshold promises: on a tail that was held out, and on the bank where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.encoders import LogMelStatistics
from fewshot_profiles.arrays import read_arrays, write_arrays
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.enrollment import Teaching, enroll
from fewshot_profiles.folder import ARRAYS_NAME, read_profile, write_profile
from fewshot_profiles.heads import Head
from fewshot_profiles.profile import Profile, Tail
from fewshot_profiles.promise import background_under, with_head
from foundation.errors import ProfileError


@pytest.fixture
def made(chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank) -> Profile:
    """A profile as its maker would ship it: with a tail of 100 false alarms in 20 hours."""
    profile = enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank).profile
    tail = Tail(
        peaks=np.linspace(10.0, 0.1, 100, dtype=np.float32),
        counts=np.ones(100, np.float32),
        hours=20.0,
        heard_hours=2.5,
    )
    return replace(profile, detector=replace(profile.detector, tail=tail))


def test_a_ready_made_profile_promises_what_its_maker_held_out(made: Profile, bank: BackgroundBank) -> None:
    """Not what the bank says that it was fitted on."""
    background = background_under(made, bank, None)
    assert background.logit_for(2.0) == pytest.approx(6.0, abs=0.15)
    assert background.expected(6.0).bank_per_hour == pytest.approx(2.0, abs=0.1)
    assert background.expected(6.0).bank_hours == 2.5
    without = replace(made, detector=replace(made.detector, tail=None))
    assert background_under(without, bank, None).logit_for(2.0) != pytest.approx(6.0, abs=0.15)


def test_a_rare_kind_of_false_alarm_counts_for_what_it_stands_for(
    made: Profile, bank: BackgroundBank
) -> None:
    """Ten of each kind instead of one need a higher threshold for the same promise."""
    tail = made.detector.tail
    assert tail is not None
    often = replace(
        made, detector=replace(made.detector, tail=replace(tail, counts=np.full(100, 10.0, np.float32)))
    )
    before, after = (background_under(each, bank, None).logit_for(0.5) for each in (made, often))
    assert after > before


def test_a_head_that_was_moved_takes_its_tail_along(made: Profile, bank: BackgroundBank) -> None:
    """As far as the top of the bank rises; never down."""
    head, tail = made.detector.head, made.detector.tail
    assert tail is not None
    raised = with_head(made, Head(weights=head.weights, bias=head.bias + 1.5), bank).detector.tail
    lowered = with_head(made, Head(weights=head.weights, bias=head.bias - 1.5), bank).detector.tail
    assert raised is not None
    assert lowered is not None
    assert np.allclose(raised.peaks, tail.peaks + 1.5, atol=1e-3)
    assert np.array_equal(lowered.peaks, tail.peaks)


def test_a_tail_is_kept_on_disk_and_checked(made: Profile, encoder: LogMelStatistics, tmp_path: Path) -> None:
    """What comes back is what was written; one without hours is refused."""
    folder = write_profile(made, tmp_path)
    read, tail = read_profile(folder, encoder.id).detector.tail, made.detector.tail
    assert read is not None
    assert tail is not None
    assert np.array_equal(read.peaks, tail.peaks)
    assert (read.hours, read.heard_hours) == (20.0, 2.5)
    arrays = read_arrays(folder / ARRAYS_NAME)
    write_arrays(folder / ARRAYS_NAME, arrays | {f"{encoder.id}.tail_hours": np.zeros(2, np.float32)})
    with pytest.raises(ProfileError, match="tail"):
        read_profile(folder, encoder.id)
