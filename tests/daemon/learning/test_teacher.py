"""Teaching on the folders of a configuration, whether or not a daemon runs."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile

from daemon.cli import main
from daemon.learning.keeping_promises import broken_promises
from daemon.learning.marking import Marking
from daemon.learning.profile_files import ProfileFiles
from daemon.learning.report_page import report_page
from daemon.learning.teacher import Teacher
from daemon.models.choice import load_encoder
from daemon.switches import FILE_NAME, Switches
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.ambience import Ambience, nothing_heard
from fewshot_profiles.enrollment import Teaching, read_examples
from fewshot_profiles.folder import read_profile
from foundation.errors import ExampleError, OwnerError, ProfileError
from tests.daemon.home import configuration
from tests.daemon.test_teaching import ring

if TYPE_CHECKING:
    from pathlib import Path

    from detectors.encoders import Encoder

SECOND = DETECTION_RATE_HZ


def _write(path: Path, hz: float, seed: int) -> Path:
    audio = np.random.default_rng(seed).normal(scale=3e-4, size=2 * SECOND).astype(np.float32)
    sound = ring(hz)
    audio[SECOND // 2 : SECOND // 2 + len(sound)] += sound
    soundfile.write(path, audio, SECOND)
    return path


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    from daemon.config import Config

    return load_encoder(Config())


@pytest.fixture(scope="module")
def taught_once(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder in which `bell` has been taught from four files."""
    folder = tmp_path_factory.mktemp("taught")
    files = [
        _write(folder / f"ring{n}.wav", hz, n) for n, hz in enumerate((1_180.0, 1_200.0, 1_210.0, 1_230.0))
    ]
    teacher = Teacher(_config(folder), encoder)
    teacher.enroll(Teaching(name="bell", description="the front door"), read_examples(files))
    return folder


def _config(folder: Path) -> Any:
    stream = {"source": "file", "path": str(folder / "ring0.wav"), "realtime": False}
    return configuration(folder, {"hall": stream}, stock_profiles=False)


@pytest.fixture
def home(taught_once: Path, tmp_path: Path) -> Path:
    shutil.copytree(taught_once, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def teacher(home: Path, encoder: Encoder) -> Teacher:
    return Teacher(_config(home), encoder)


def test_the_report_and_its_page_tell_of_every_example(teacher: Teacher) -> None:
    """A picture for each, the interval, and what the false alarms rest on."""
    report = teacher.report("bell")
    assert report.recall is not None
    assert 0.0 <= report.recall.low <= report.recall.value <= report.recall.high <= 1.0
    assert report.expected.home_per_hour is None
    page = report_page(report, teacher.recordings(teacher.profile("bell")))
    assert page.count("data:image/png;base64,") == 4
    assert "leave-one-out" in page
    assert "recorded elsewhere" in page


def test_a_page_cannot_be_written_into_by_a_name(teacher: Teacher) -> None:
    """An imported profile's texts are shown, not run."""
    report = teacher.report("bell")
    evil = replace(report.verdicts[0], path="<script>alert(1)</script>", seconds=0.0)
    page = report_page(replace(report, verdicts=(evil,), advice=("<b>x</b>",)), ())
    assert "<script>" not in page
    assert "<b>" not in page


def test_examples_are_added(teacher: Teacher, home: Path) -> None:
    """The profile gets another revision, and keeps the audio of all."""
    more = read_examples([_write(home / "more.wav", 1_190.0, 9)])
    result = teacher.enroll(Teaching(name="bell"), more, add=True)
    assert (result.profile.revision, len(result.profile.examples)) == (2, 5)
    assert len(teacher.recordings(result.profile)) == 5
    assert [(v.revision, v.in_force) for v in teacher.versions("bell")] == [(1, False), (2, True)]


def test_a_wrong_sound_among_right_ones_leaves_the_profile_as_it_was(teacher: Teacher, home: Path) -> None:
    """Named, with what to do; nothing half-written."""
    noise = np.random.default_rng(3).normal(scale=0.05, size=2 * SECOND).astype(np.float32)
    soundfile.write(home / "noise.wav", noise, SECOND)
    before = read_profile(teacher.folder / "bell", teacher.encoder.id)
    with pytest.raises(ExampleError, match=r"noise\.wav is unlike"):
        teacher.enroll(Teaching(name="bell"), read_examples([home / "noise.wav"]), add=True)
    assert read_profile(teacher.folder / "bell", teacher.encoder.id).version == before.version
    assert [path.name for path in teacher.folder.iterdir()] == ["bell"]


def test_a_removed_profile_comes_back(teacher: Teacher) -> None:
    """By the same command that takes any change back."""
    teacher.remove("bell")
    assert teacher.profiles() == ()
    assert "revision 1" in teacher.undo("bell")
    assert [profile.name for profile in teacher.profiles()] == ["bell"]
    with pytest.raises(OwnerError, match="no earlier version"):
        teacher.undo("bell")


def test_a_profile_moves_by_file(teacher: Teacher, home: Path) -> None:
    """Under its name only where there is none; under another it is a profile of its own."""
    file = teacher.export("bell", home / "bell.heard-profile")
    with pytest.raises(OwnerError, match="--replace"):
        teacher.import_(file)
    assert teacher.import_(file, name="back_door").version != teacher.profile("bell").version
    assert [profile.name for profile in teacher.profiles()] == ["back_door", "bell"]
    assert len(teacher.recordings(teacher.profile("back_door"))) == 4
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(ProfileError):
        teacher.import_(file, name="other")
    assert sorted(path.name for path in teacher.folder.iterdir()) == ["back_door", "bell"]


def test_a_stricter_promise_is_a_higher_threshold(teacher: Teacher) -> None:
    """And the report names it."""
    lax, strict = teacher.promise("bell", 2.0), teacher.promise("bell", 0.1)
    assert strict.threshold > lax.threshold
    assert teacher.report("bell").promise_per_hour == 0.1


def _loud_home(teacher: Teacher, per_hour: int) -> Ambience:
    """Hours in which something near the bell sounded often, but never quite like it."""
    profile = teacher.profile("bell")
    rng = np.random.default_rng(0)
    like = profile.embedded.positives[rng.integers(len(profile.embedded.positives), size=400)]
    rows = 0.8 * like + rng.normal(scale=0.06, size=like.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return replace(
        nothing_heard(rows.shape[1], 400 / per_hour),
        embeddings=rows.astype(np.float32),
        stands_for=np.ones(len(rows), np.float32),
        weight=np.ones(len(rows), np.float32),
        at_s=np.arange(len(rows)) * 3_600.0 / per_hour,
        taken_for=("",) * len(rows),
    )


def test_a_promise_broken_in_this_home_is_kept_by_fitting_again(teacher: Teacher) -> None:
    """The threshold rises until this home's own sound stays below it; once is enough."""
    home = _loud_home(teacher, 40)
    before = teacher.profile("bell")
    knowing = Teacher(teacher.config, teacher.encoder, ambience=lambda: home)
    assert broken_promises(knowing, lambda profile: profile == "bell") == []  # its threshold was set
    lines = broken_promises(knowing)
    assert len(lines) == 1
    assert "bell would have spoken up wrongly" in lines[0]
    after = teacher.profile("bell")
    over = [
        float(np.mean(profile.detector.head.logits(home.embeddings) >= np.log(profile.threshold)))
        for profile in (before, after)
    ]
    assert over[1] <= over[0]
    assert after.revision == before.revision + 1
    assert "of this home" in after.change


def test_nothing_is_known_of_an_event_that_never_was(teacher: Teacher) -> None:
    """The history does not have it."""
    with pytest.raises(OwnerError, match="no event"):
        Marking(teacher).mark("0123456789abcdef", "wrong", apply=True)


def test_by_command_from_files_to_a_page(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way as an owner types it, without a daemon."""
    config = home / "heard.yaml"
    config.write_text(
        f"state_dir: {home / 'state'}\nstock_profiles: false\n"
        f"streams: {{hall: {{source: file, path: {home / 'ring0.wav'}}}}}\n"
    )

    def heard(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["heard", *arguments, "--config", str(config)])
        try:
            main()
        except SystemExit as leaving:
            return int(leaving.code or 0), "".join(capsys.readouterr())
        return 0, "".join(capsys.readouterr())

    rings = [str(home / f"ring{n}.wav") for n in range(4)]
    code, said = heard("profiles", "enroll", "gong", *rings, "--embeddings-only", "--json")
    assert code == 0
    assert json.loads(said)["report"]["examples"] == 4
    assert not (home / "state" / "profiles" / "gong" / "examples").exists()
    code, said = heard("profiles", "report", "gong", "--page", str(home / "gong.html"))
    assert code == 0
    assert "would be heard" in said
    assert (home / "gong.html").read_text().startswith("<!doctype html>")
    (home / "state" / FILE_NAME).write_text('{"thresholds": {"gong": 0.97}}')
    code, said = heard("profiles", "promise", "gong", "5")
    assert (code, "0.97" in said) == (0, True)
    assert not Switches(home / "state" / FILE_NAME, streams=()).threshold_is_set("gong")
    assert heard("profiles", "enroll", "gong", "--last", "30s")[0] == 2
    assert heard("profiles", "enroll", "gong")[0] == 2
    assert heard("profiles", "enroll", "gong", "--last", "soon")[0] == 2
    code, said = heard("profiles", "remove", "gonk")
    assert code == 2
    assert "gong" in said


async def test_profiles_come_into_force_whole_or_not_at_all(teacher: Teacher) -> None:
    """While one is broken those before stay, and what is wrong with it is told."""
    adopted: list[list[str]] = []
    files = ProfileFiles(
        [teacher.folder],
        read=teacher.profiles,
        in_force=teacher.profiles(),
        adopt=lambda profiles: adopted.append([profile.name for profile in profiles]),
    )
    watching = asyncio.create_task(files.run())
    broken = teacher.folder / "broken"
    broken.mkdir()
    (broken / "profile.yaml").write_text("name: [\n")
    (broken / "examples.npz").write_bytes(b"")
    async with asyncio.timeout(10):
        while files.fault is None:  # noqa: ASYNC110 - it is watched, it does not call
            await asyncio.sleep(0.05)
    assert "broken" in files.fault
    assert adopted == []
    shutil.rmtree(broken)
    teacher.remove("bell")
    async with asyncio.timeout(10):
        while not adopted:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.05)
    watching.cancel()
    assert adopted == [[]]
    assert files.fault is None
