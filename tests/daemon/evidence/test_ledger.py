"""What the ledger shows about evidence that was touched."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import daemon.evidence.ledger
from daemon.evidence.ledger import LEDGER_NAME, Fault, Ledger, verify_ledger
from daemon.evidence.retention import Limits
from daemon.evidence.store import EvidenceStore
from tests.daemon.sounds import clip, sound

SOUNDS = str(Path(__file__).parents[1])
"""Other distributions install a package called `tests`, which a program outside pytest would find first."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three clips as they were stored."""
    store = EvidenceStore(tmp_path, limits=Limits(keep_days=1e6), heard_version="0")
    for number in range(3):
        store.store(clip(sound(onset_s=10.0 + number)))
    return tmp_path


def clips(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.flac"))


def faults(folder: Path) -> list[tuple[Fault, str]]:
    return [(finding.fault, finding.path.name) for finding in verify_ledger(folder)]


def test_untouched_evidence_has_no_findings(folder: Path) -> None:
    """What was stored verifies, also after the folder was moved; an empty folder does too."""
    moved = folder.parent / "moved"
    shutil.copytree(folder, moved)
    assert verify_ledger(folder) == verify_ledger(moved) == []
    (folder.parent / "empty").mkdir()
    assert verify_ledger(folder.parent / "empty") == []


def test_a_changed_bit_shows(folder: Path) -> None:
    """One bit of a clip, a sidecar or a picture is enough."""
    for suffix in (".flac", ".json", ".png"):
        touched = clips(folder)[1].with_suffix(suffix)
        content = bytearray(touched.read_bytes())
        content[len(content) // 2] ^= 1
        touched.write_bytes(content)
        assert (Fault.CHANGED, touched.name) in faults(folder)


def test_a_missing_a_shortened_and_an_inserted_clip_show(folder: Path) -> None:
    """Each is called by what happened to it."""
    first, second, third = clips(folder)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-10])
    inserted = third.with_name("inserted.flac")
    shutil.copy(third, inserted)
    assert sorted(faults(folder)) == sorted(
        [
            (Fault.MISSING, first.name),
            (Fault.TRUNCATED, second.name),
            (Fault.UNRECORDED, inserted.name),
        ]
    )


def test_a_removed_or_edited_line_breaks_the_chain(folder: Path) -> None:
    """The ledger cannot be adjusted to fit."""
    path = folder / LEDGER_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    found = faults(folder)
    assert (Fault.CHAIN_BROKEN, LEDGER_NAME) in found
    assert (Fault.UNRECORDED, clips(folder)[1].name) in found
    edited = json.loads(lines[1]) | {"profile": "other"}
    path.write_bytes(lines[0] + json.dumps(edited).encode() + b"\n" + lines[2])
    assert faults(folder) == [(Fault.CHAIN_BROKEN, LEDGER_NAME)]


def test_a_line_that_is_no_entry_is_damage_and_the_rest_is_still_checked(folder: Path) -> None:
    """Rubbish in the ledger neither crashes the check nor the daemon, and hides nothing."""
    path = folder / LEDGER_NAME
    lines = path.read_bytes().splitlines(keepends=True)
    for rubbish in (b"\xff\xfe rubbish\n", b"[1]\n", b'{"files": {"x": 3}}\n', b"\n"):
        path.write_bytes(lines[0] + rubbish + b"".join(lines[1:]))
        assert (Fault.LEDGER_DAMAGED, LEDGER_NAME) in faults(folder)
        assert len(Ledger(folder).stored) == 3


def test_a_lost_ledger_leaves_every_clip_unrecorded(folder: Path) -> None:
    """Deleting the ledger is no way out."""
    (folder / LEDGER_NAME).unlink()
    assert [fault for fault, _ in faults(folder)] == [Fault.UNRECORDED] * 9


def test_a_retired_clip_is_not_missing(folder: Path) -> None:
    """What retention deleted is told from what somebody deleted."""
    store = EvidenceStore(folder, limits=Limits(keep_days=1e6, max_clips_per_profile=1), heard_version="0")
    assert len(store.retire(now=0.0)) == 2
    assert len(clips(folder)) == 1
    assert faults(folder) == []
    clips(folder)[0].unlink()
    assert [fault for fault, _ in faults(folder)] == [Fault.MISSING]


def test_a_line_cut_off_by_a_power_failure_is_taken_away(folder: Path) -> None:
    """The chain goes on from the last whole line; the clip of the lost one shows as not recorded."""
    path = folder / LEDGER_NAME
    content = path.read_bytes()
    path.write_bytes(content[:-20])
    store = EvidenceStore(folder, limits=Limits(keep_days=1e6), heard_version="0")
    store.store(clip(sound(onset_s=50.0)))
    assert {fault for fault, _ in faults(folder)} == {Fault.UNRECORDED}


def test_the_head_changes_with_every_line(tmp_path: Path) -> None:
    """The head told to another machine pins everything before it, and survives a restart."""
    store = EvidenceStore(tmp_path, limits=Limits(keep_days=1e6), heard_version="0")
    store.store(clip())
    before = Ledger(tmp_path).head
    store.store(clip(sound(onset_s=20.0)))
    assert Ledger(tmp_path).head != before
    assert Ledger(tmp_path).head == store._ledger().head


def test_checking_while_clips_are_stored_finds_nothing(tmp_path: Path) -> None:
    """The check and a daemon in another process do not see each other's work half done."""
    program = f"""
from pathlib import Path
from daemon.evidence.store import EvidenceStore
from daemon.evidence.retention import Limits
import sys
sys.path.insert(0, {SOUNDS!r})
from sounds import clip, sound
store = EvidenceStore(Path({str(tmp_path)!r}), limits=Limits(keep_days=1e6), heard_version="0")
for number in range(8):
    store.store(clip(sound(onset_s=10.0 + number)))
"""
    root = Path(daemon.evidence.ledger.__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root) as writer:
        while writer.poll() is None:
            assert verify_ledger(tmp_path) == []
    assert writer.returncode == 0
    assert len(clips(tmp_path)) == 8
    assert verify_ledger(tmp_path) == []
