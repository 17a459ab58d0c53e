"""The sample of a home's own sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.encoders import EncoderId
from fewshot_profiles.ambience import (
    Moment,
    Reservoir,
    nothing_heard,
    read_ambience,
    together,
    write_ambience,
)
from foundation.errors import ProfileError

ENCODER = EncoderId(name="test", sha256="ab" * 32, dim=4)


def _moment(number: int, *, nearness: float = 0.0, over_floor_db: float = 0.0, taken_for: str = "") -> Moment:
    return Moment(
        embedding=np.full(4, number, np.float32),
        over_floor_db=over_floor_db,
        nearness=nearness,
        taken_for=taken_for,
        at_s=float(number),
    )


def _filled(count: int, rows: int, seed: int = 0) -> Reservoir:
    rng = np.random.default_rng(seed)
    reservoir = Reservoir(rng=rng, rows=rows)
    for number in range(count):
        loud = float(rng.exponential(6.0))
        reservoir.offer(_moment(number, over_floor_db=loud, nearness=min(1.0, loud / 40.0)))
        reservoir.listen(8)
    return reservoir


def test_it_is_bounded_and_counts_the_time() -> None:
    """However long the home is listened to, the sample is no larger; silence counts as time."""
    reservoir = _filled(2_000, rows=50)
    reservoir.listen(45_000)
    ambience = reservoir.ambience(4)
    assert len(ambience) == 50
    assert ambience.hours == pytest.approx((2_000 * 8 + 45_000) * 0.08 / 3_600)


def test_its_counts_are_not_biased_by_the_choice() -> None:
    """The rows stand for as many stretches as there were, on the average over samples."""
    counts = [float(_filled(1_000, rows=60, seed=seed).ambience(4).stands_for.sum()) for seed in range(60)]
    assert np.mean(counts) == pytest.approx(1_000, rel=0.06)


def test_near_misses_stay() -> None:
    """Among thousands of ordinary moments, the few that nearly set a profile off are all kept."""
    rng = np.random.default_rng(3)
    reservoir = Reservoir(rng=rng, rows=100)
    near = set(range(0, 5_000, 500))
    for number in range(5_000):
        reservoir.offer(_moment(number, nearness=0.98 if number in near else 0.0))
    ambience = reservoir.ambience(4)
    assert near <= {int(at) for at in ambience.at_s}
    kept = np.isin(ambience.at_s, list(near))
    assert ambience.stands_for[kept].max() < ambience.stands_for[~kept].min()


def test_what_was_made_to_teach_is_left_out() -> None:
    """Neither the seconds of an example nor what the profile itself claimed is background."""
    reservoir = Reservoir(rng=np.random.default_rng(0))
    for number in range(10):
        reservoir.offer(_moment(number, taken_for="bell" if number == 9 else ""))
    ambience = reservoir.ambience(4)
    assert ambience.without([(2.5, 5.5)]).at_s.tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert ambience.not_taken_for("bell").at_s.tolist() == list(range(9))
    assert len(ambience.not_taken_for("dog")) == 10


def test_it_survives_the_disk_and_goes_on(tmp_path: Path) -> None:
    """After a restart the sample is what it was, and counts on without a jump."""
    reservoir = _filled(1_000, rows=60)
    saved = reservoir.ambience(4)
    path = tmp_path / "kitchen.npz"
    write_ambience(path, saved, ENCODER)
    assert path.stat().st_mode & 0o077 == 0
    read = read_ambience(path, ENCODER)
    assert read is not None
    again = Reservoir(rng=np.random.default_rng(1), rows=60)
    again.restore(read)
    resumed = again.ambience(4)
    assert resumed.hours == pytest.approx(saved.hours)
    assert np.sort(resumed.stands_for) == pytest.approx(np.sort(saved.stands_for), rel=0.02)
    for number in range(1_000, 2_000):
        again.offer(_moment(number))
    assert float(again.ambience(4).stands_for.sum()) == pytest.approx(2_000, rel=0.5)


def test_another_encoders_sample_is_not_taken(tmp_path: Path) -> None:
    """Its numbers mean something else."""
    write_ambience(tmp_path / "a.npz", nothing_heard(4, 3.0), ENCODER)
    assert read_ambience(tmp_path / "a.npz", EncoderId(name="other", sha256="cd" * 32, dim=4)) is None


@pytest.mark.parametrize("missing", ["at_s", "taken_for", "weight"])
def test_a_damaged_sample_is_refused(missing: str, tmp_path: Path) -> None:
    """Never a traceback from inside numpy."""
    from fewshot_profiles.arrays import read_arrays, write_arrays

    path = tmp_path / "a.npz"
    write_ambience(path, _filled(20, rows=30).ambience(4), ENCODER)
    arrays = read_arrays(path)
    del arrays[missing]
    write_arrays(path, arrays)
    with pytest.raises(ProfileError):
        read_ambience(path, ENCODER)


def test_streams_add_up() -> None:
    """The home is all of its streams."""
    both = together([_filled(30, rows=50).ambience(4), _filled(40, rows=50).ambience(4)], 4)
    assert len(both) == 70
    assert both.hours == pytest.approx(70 * 8 * 0.08 / 3_600)
    assert len(together([], 4)) == 0
