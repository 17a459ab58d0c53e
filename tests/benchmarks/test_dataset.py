"""Picking rows from a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.dataset import read_recordings

if TYPE_CHECKING:
    from pathlib import Path


def test_different_columns_narrow_and_values_of_one_column_add_up(tiny_data: Path) -> None:
    """`--where` reads like a filter in a table program."""
    picked = read_recordings(tiny_data, ["split=novel", "label=tone0", "label=tone1", "fold=1"])
    assert sorted({recording.label for recording in picked}) == ["tone0", "tone1"]
    assert len(picked) == 4


@pytest.mark.parametrize("where", ["split", "nosuch=1", "label=nosuch"])
def test_a_choice_that_picks_nothing_is_refused_by_name(tiny_data: Path, where: str) -> None:
    """A typo must not quietly make a figure over other rows."""
    with pytest.raises(SystemExit, match=where.partition("=")[0]):
        read_recordings(tiny_data, [where])


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(SystemExit, match=r"manifest\.csv"):
        read_recordings(tmp_path)


def test_the_recordings_carry_the_stock_profiles_names(shared: Path) -> None:
    """Where a collection's label differs from the profile's name, the mapping knows it."""
    profiles = {recording.profile for recording in read_recordings(shared / "audio")}
    assert {"baby_crying", "cough", "dog_bark", "door_knock", "alarm_beep", "glass_breaking"} <= profiles
    assert not {"crying_baby", "coughing", "dog", "door_wood_knock", "clock_alarm"} & profiles
