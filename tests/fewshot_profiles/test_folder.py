"""Profiles on disk: written whole, read with suspicion."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.encoders import LogMelStatistics
from detectors.encoders import EncoderId
from fewshot_profiles.arrays import read_arrays, write_arrays
from fewshot_profiles.bank import BackgroundBank, read_bank
from fewshot_profiles.enrollment import EnrollmentResult, Teaching, enroll
from fewshot_profiles.folder import read_profile, write_profile
from fewshot_profiles.matcher import Matcher
from fewshot_profiles.store import ProfileStore
from foundation.errors import ProfileError


@pytest.fixture
def enrolled(chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank) -> EnrollmentResult:
    return enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank)


def test_a_profile_survives_the_disk(
    enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """What decides comes back to the bit, and so does the version."""
    folder = write_profile(enrolled.profile, tmp_path / "profiles")
    read = read_profile(folder, encoder.id)
    assert read.version == enrolled.profile.version
    assert read.examples == enrolled.profile.examples
    assert np.array_equal(read.detector.head.weights, enrolled.profile.detector.head.weights)
    assert not list((tmp_path / "profiles").glob(".tmp-*"))


def test_recordings_are_kept_as_flac(enrolled: EnrollmentResult, tmp_path: Path) -> None:
    """With the owner's consent the examples stay beside the numbers."""
    folder = write_profile(enrolled.profile, tmp_path, enrolled.recordings)
    files = sorted((folder / "examples").iterdir())
    assert [file.name for file in files] == ["00.flac", "01.flac", "02.flac", "03.flac"]
    assert soundfile.info(files[0]).samplerate == enrolled.recordings[0].rate_hz


def test_writing_again_replaces(
    enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """The new profile stands where the old one was, and nothing of the old one is left."""
    write_profile(enrolled.profile, tmp_path, enrolled.recordings)
    write_profile(replace(enrolled.profile, description="new"), tmp_path)
    assert read_profile(tmp_path / "chime", encoder.id).description == "new"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["chime"]
    assert not (tmp_path / "chime" / "examples").exists()


def test_the_same_profile_is_the_same_bytes(enrolled: EnrollmentResult, tmp_path: Path) -> None:
    """So that a profile made again shows no difference where there is none."""
    first, second = (write_profile(enrolled.profile, tmp_path / side) for side in "ab")
    assert (first / "examples.npz").read_bytes() == (second / "examples.npz").read_bytes()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("kind: impulse", "kind: long", "kind"),
        ("description:", "descripton:", "description"),
        ("threshold: null", "threshold: 1.5", "threshold"),
        ("name: chime", "name: ../chime", "name"),
        ("name: chime", "name: [", ""),
    ],
    ids=["wrong kind", "unknown key", "threshold out of range", "name with a path", "no YAML"],
)
def test_a_bad_yaml_is_refused_with_its_place(
    old: str, new: str, expected: str, enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """File and line, and what was meant."""
    file = write_profile(enrolled.profile, tmp_path) / "profile.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(ProfileError) as caught:
        read_profile(file.parent, encoder.id)
    assert f"{file}:" in str(caught.value)
    assert expected in str(caught.value)
    assert caught.value.problems[0].line > 0


@pytest.mark.parametrize("content", [b"", b"not an npz", b"PK\x03\x04 broken"])
def test_a_damaged_npz_is_refused(
    content: bytes, enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """Never a traceback from inside numpy."""
    file = write_profile(enrolled.profile, tmp_path) / "examples.npz"
    file.write_bytes(content)
    with pytest.raises(ProfileError, match="npz"):
        read_profile(file.parent, encoder.id)


def test_objects_in_an_npz_are_refused(tmp_path: Path) -> None:
    """Nothing is unpickled, whoever made the file."""
    path = tmp_path / "evil.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ProfileError):
        read_arrays(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"weights": np.zeros(3)}, "should be numbers"),
        ({"weights": np.full(128, np.nan)}, "not finite"),
        ({"bias_threshold": np.array([0.0, 2.0])}, "between 0 and 1"),
        ({"positives": None}, "has no array"),
    ],
    ids=["wrong size", "not finite", "threshold", "missing"],
)
def test_arrays_that_do_not_fit_are_refused(
    change: dict[str, np.ndarray | None],
    reason: str,
    enrolled: EnrollmentResult,
    encoder: LogMelStatistics,
    tmp_path: Path,
) -> None:
    """A file of the right form with the wrong content."""
    file = write_profile(enrolled.profile, tmp_path) / "examples.npz"
    arrays = read_arrays(file)
    for name, value in change.items():
        key = f"{encoder.id}.{name}"
        if value is None:
            del arrays[key]
        else:
            arrays[key] = value
    write_arrays(file, arrays)
    with pytest.raises(ProfileError, match=reason):
        read_profile(file.parent, encoder.id)


def test_another_encoder_is_named(
    enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """Which encoder it was made for, which one is in use, and what to do."""
    folder = write_profile(enrolled.profile, tmp_path)
    other = EncoderId(name="other", sha256="ff" * 32, dim=192)
    with pytest.raises(ProfileError) as caught:
        read_profile(folder, other)
    assert str(encoder.id) in str(caught.value)
    assert str(other) in str(caught.value)
    assert "enrol its examples again" in str(caught.value)


def test_the_owners_profile_replaces_the_stock_one(
    enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """Same name, later folder."""
    write_profile(enrolled.profile, tmp_path / "stock")
    write_profile(replace(enrolled.profile, name="bell"), tmp_path / "stock")
    write_profile(replace(enrolled.profile, description="mine"), tmp_path / "mine")
    profiles = ProfileStore([tmp_path / "stock", tmp_path / "mine"]).load(encoder.id)
    assert [(profile.name, profile.description) for profile in profiles] == [("bell", ""), ("chime", "mine")]


def test_every_fault_in_the_store_is_told_at_once(
    enrolled: EnrollmentResult, encoder: LogMelStatistics, tmp_path: Path
) -> None:
    """Two broken profiles and a missing folder: three faults."""
    for name in ("one", "two"):
        folder = write_profile(replace(enrolled.profile, name=name), tmp_path / "mine")
        (folder / "examples.npz").unlink()
    with pytest.raises(ProfileError) as caught:
        ProfileStore([tmp_path / "mine", tmp_path / "absent"]).load(encoder.id)
    assert len(caught.value.problems) == 3


def test_a_bank_survives_the_disk(bank: BackgroundBank, encoder: LogMelStatistics, tmp_path: Path) -> None:
    """Bytes for numbers cost less than one part in a hundred."""
    bank.write(tmp_path / "background.npz")
    read = read_bank(tmp_path / "background.npz", encoder.id)
    assert np.abs(read.embeddings - bank.embeddings).max() < 0.01 * np.abs(bank.embeddings).max()
    assert read.hours == pytest.approx(bank.hours)
    assert np.array_equal(read.recording, bank.recording)
    with pytest.raises(ProfileError, match="encoder"):
        read_bank(tmp_path / "background.npz", EncoderId(name="x", sha256="0" * 64, dim=encoder.id.dim))


def test_the_matcher_scores_all_profiles_at_once(enrolled: EnrollmentResult) -> None:
    """Each column is its profile's own sigmoid; no profiles are fine too."""
    second = replace(enrolled.profile, name="second", threshold_override=0.25)
    matcher = Matcher([enrolled.profile, second])
    embeddings = enrolled.profile.embedded.positives[:7]
    scores = matcher.score(embeddings)
    logits = enrolled.profile.detector.head.logits(embeddings)
    assert scores.shape == (7, 2)
    assert scores.dtype == np.float32
    assert np.allclose(scores[:, 0], 1 / (1 + np.exp(-logits)), atol=1e-5)
    assert matcher.thresholds[1] == np.float32(0.25)
    assert Matcher([]).score(embeddings).shape == (7, 0)
    with pytest.raises(ValueError, match="differ"):
        Matcher([enrolled.profile, enrolled.profile])
