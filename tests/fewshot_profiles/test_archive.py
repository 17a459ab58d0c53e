"""A profile as one file; what comes in is not believed."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.encoders import LogMelStatistics
from fewshot_profiles import archive
from fewshot_profiles.archive import export_profile, unpacked
from fewshot_profiles.bank import BackgroundBank
from fewshot_profiles.enrollment import Teaching, enroll
from fewshot_profiles.folder import audio_files, read_profile, write_profile
from foundation.errors import ProfileError


@pytest.fixture
def exported(chimes: list[Path], encoder: LogMelStatistics, bank: BackgroundBank, tmp_path: Path) -> Path:
    result = enroll(Teaching(name="chime"), chimes, encoder=encoder, bank=bank)
    folder = write_profile(result.profile, tmp_path / "mine", result.recordings)
    return export_profile(folder, tmp_path / "chime.heard-profile")


def _rewritten(file: Path, change: Callable[[dict[str, bytes]], None], *, honest: bool = True) -> Path:
    """Change the members of an exported file; with `honest`, its manifest says so."""
    with zipfile.ZipFile(file) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    change(members)
    if honest:
        manifest = json.loads(members["manifest.json"])
        manifest["files"] = {
            name: hashlib.sha256(content).hexdigest()
            for name, content in members.items()
            if name != "manifest.json"
        }
        members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return file


def _refused(file: Path, beside: Path) -> str:
    with pytest.raises(ProfileError) as caught, unpacked(file, beside):
        pass
    assert not list(beside.iterdir()) if beside.exists() else True
    assert not (beside.parent / "evil").exists()
    return str(caught.value)


def test_it_comes_back_whole(exported: Path, encoder: LogMelStatistics, tmp_path: Path) -> None:
    """The same profile with the same examples as audio, and nothing left of the unpacking."""
    beside = tmp_path / "theirs"
    with unpacked(exported, beside) as folder:
        profile = read_profile(folder, encoder.id)
        assert profile.version == read_profile(tmp_path / "mine" / "chime", encoder.id).version
        assert len(audio_files(folder)) == 4
    assert list(beside.iterdir()) == []


def test_audio_can_be_left_out(exported: Path, tmp_path: Path) -> None:
    """To share a profile is not to share the rooms in which it was recorded."""
    bare = export_profile(tmp_path / "mine" / "chime", tmp_path / "bare.heard-profile", with_audio=False)
    assert bare.stat().st_size < exported.stat().st_size
    with unpacked(bare, tmp_path / "theirs") as folder:
        assert audio_files(folder) == []


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "examples/../../evil", "examples/0.flac", "run.py"])
def test_nothing_is_written_outside_or_beside(name: str, exported: Path, tmp_path: Path) -> None:
    """Only the names that a profile has."""
    file = _rewritten(exported, lambda members: members.update({name: b"x"}))
    assert "no place" in _refused(file, tmp_path / "theirs")


def test_links_are_refused(exported: Path, tmp_path: Path) -> None:
    """An archive can hold symbolic links; a profile does not."""
    with zipfile.ZipFile(exported) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    with zipfile.ZipFile(exported, "w") as zipped:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            if name == "profile.yaml":
                info.external_attr = 0o120777 << 16
            zipped.writestr(info, content)
    assert "no place" in _refused(exported, tmp_path / "theirs")


def test_what_unpacks_to_too_much_is_refused(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small it is packed, and whatever its header says."""
    monkeypatch.setitem(archive.MAX_MEMBER_BYTES, "examples.npz", 1_000)
    assert "unpacks to more" in _refused(exported, tmp_path / "theirs")


def test_pickles_are_refused(exported: Path, tmp_path: Path) -> None:
    """An array of objects would run code when it is read."""
    evil = io.BytesIO()
    np.savez(evil, x=np.array([{"a": 1}], dtype=object))
    file = _rewritten(exported, lambda members: members.update({"examples.npz": evil.getvalue()}))
    assert "npz" in _refused(file, tmp_path / "theirs")


def test_what_is_no_audio_is_refused(exported: Path, tmp_path: Path) -> None:
    """An example has to be one."""
    file = _rewritten(exported, lambda members: members.update({"examples/01.flac": b"fLaC nonsense"}))
    assert "01.flac" in _refused(file, tmp_path / "theirs")


def test_damage_shows(exported: Path, tmp_path: Path) -> None:
    """One byte is enough."""
    file = _rewritten(
        exported,
        lambda members: members.update({"profile.yaml": members["profile.yaml"] + b"\n"}),
        honest=False,
    )
    assert "damaged" in _refused(file, tmp_path / "theirs")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    """With a text, not a traceback."""
    file = tmp_path / "x.heard-profile"
    file.write_bytes(content)
    assert "no profile that heard exported" in _refused(file, tmp_path / "theirs")
    assert "no such file" in _refused(tmp_path / "absent", tmp_path / "theirs")


def test_a_newer_format_says_so(exported: Path, tmp_path: Path) -> None:
    """Update heard."""

    def newer(members: dict[str, bytes]) -> None:
        manifest = json.loads(members["manifest.json"])
        members["manifest.json"] = json.dumps({**manifest, "version": 2}).encode()

    assert "newer heard" in _refused(_rewritten(exported, newer), tmp_path / "theirs")
