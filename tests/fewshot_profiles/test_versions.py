"""Every change of a profile can be undone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.encoders import LogMelStatistics
from fewshot_profiles import versions
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.enrollment import Teaching, enroll
from fewshot_profiles.folder import audio_files, read_profile, write_profile
from fewshot_profiles.profile import Mark, Profile
from fewshot_profiles.store import ProfileStore
from fewshot_profiles.versions import earlier_versions, remove, take_back
from foundation.errors import ProfileError


@pytest.fixture
def folder(chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank, tmp_path: Path) -> Path:
    result = enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank)
    return write_profile(result.profile, tmp_path / "mine", result.recordings, keep_version=True)


def _changed(folder: Path, encoder: LogMelStatistics) -> Profile:
    profile = read_profile(folder, encoder.id)
    changed = replace(
        profile,
        threshold_override=0.9,
        revision=profile.revision + 1,
        change="event 12 marked wrong",
        marks=(Mark(verdict="wrong", event="12", stream="hall", at="2026-01-01T00:00:00.000+00:00"),),
    )
    write_profile(changed, folder.parent, audio_from=folder, keep_version=True)
    return changed


def test_a_change_is_taken_back(folder: Path, encoder: LogMelStatistics) -> None:
    """The profile, its examples' audio and what was said of it are again what they were."""
    before = read_profile(folder, encoder.id)
    changed = _changed(folder, encoder)
    assert read_profile(folder, encoder.id).marks == changed.marks
    assert len(audio_files(folder)) == 4
    assert take_back(folder)
    after = read_profile(folder, encoder.id)
    assert (after.version, after.revision, after.marks) == (before.version, 1, ())
    assert len(audio_files(folder)) == 4
    assert not take_back(folder)


def test_a_removed_profile_comes_back(folder: Path, encoder: LogMelStatistics) -> None:
    """Removing is a change like any other."""
    remove(folder)
    assert ProfileStore([folder.parent]).load(encoder.id) == ()
    with pytest.raises(ProfileError, match="no such profile"):
        remove(folder)
    assert take_back(folder)
    assert [profile.name for profile in ProfileStore([folder.parent]).load(encoder.id)] == ["chime"]


def test_the_oldest_versions_go(
    folder: Path, encoder: LogMelStatistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile that is marked every day does not fill the disk."""
    monkeypatch.setattr(versions, "MAX_VERSIONS", 3)
    for _ in range(6):
        _changed(folder, encoder)
    assert len(earlier_versions(folder)) == 3
    assert read_profile(earlier_versions(folder)[-1], encoder.id).revision == 6


def test_marks_make_another_version_name_only_when_they_decide(
    folder: Path, encoder: LogMelStatistics
) -> None:
    """An event names what decided; a note beside it decides nothing."""
    profile = read_profile(folder, encoder.id)
    noted = replace(profile, marks=(Mark(verdict="right", event="1", stream="", at=""),), revision=2)
    assert noted.version == profile.version
    assert replace(profile, threshold_override=0.5).version != profile.version
