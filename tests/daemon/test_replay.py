from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from daemon.pipeline import Pipeline
from daemon.replay import ReplayedFile, replay
from tests.encoders_for_tests import LogMelEncoder, embed, taught

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RATE_HZ = 16_000


def audio(onset_s: float, seconds: float, seed: int) -> NDArray[np.float32]:
    """A whistle of a second in quiet noise."""
    samples = np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) * 0.001
    start = round(onset_s * RATE_HZ)
    samples[start : start + RATE_HZ] += 0.1 * np.sin(2 * np.pi * 2_500 * np.arange(RATE_HZ) / RATE_HZ)
    return samples.astype(np.float32)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    encoder = LogMelEncoder()
    whistles = embed(encoder, audio(0.0, 1.0, 1))[3:]
    background = embed(encoder, audio(0.0, 8.0, 2)[-6 * RATE_HZ :])
    return Pipeline(encoder, taught(encoder, {"whistle": ("sustained", whistles)}, background))


def write(folder: Path, name: str, onset_s: float, seconds: float = 6.0) -> Path:
    path = folder / name
    soundfile.write(path, audio(onset_s, seconds, len(name)), RATE_HZ)
    return path


def onsets(result: ReplayedFile) -> list[float]:
    return [round(sound.onset_s, 1) for sound in result.sounds]


@pytest.mark.parametrize("side_by_side", [1, 3, 16])
def test_files_are_heard_in_the_order_given(tmp_path: Path, pipeline: Pipeline, side_by_side: int) -> None:
    """Whatever shares a batch, each file has its own sounds, in the order the files were named."""
    lengths = {1.5: 6.0, 3.0: 9.0, 0.5: 3.0, 2.0: 4.0, 4.0: 8.0}
    files = [write(tmp_path, f"{onset_s}.flac", onset_s, s) for onset_s, s in lengths.items()]
    results = list(replay(pipeline, files, side_by_side=side_by_side))
    assert [result.file for result in results] == files
    assert [onsets(result) for result in results] == [[onset_s] for onset_s in lengths]
    assert [result.seconds for result in results] == list(lengths.values())
    assert pipeline.streams == ()


def test_a_sound_is_one_json_object(tmp_path: Path, pipeline: Pipeline) -> None:
    """The object names the file, the profile, both ends and the levels."""
    path = write(tmp_path, "a.wav", 2.0)
    (result,) = replay(pipeline, [path])
    printed = json.loads(json.dumps(result.sounds[0].as_json()))
    assert printed["file"] == str(path)
    assert printed["profile"] == "whistle"
    assert printed["onset_s"] == pytest.approx(2.0, abs=0.1)
    assert printed["end_s"] == pytest.approx(3.0, abs=0.5)
    assert set(printed) == {
        "file",
        "profile",
        "score",
        "onset_s",
        "end_s",
        "level_dbfs",
        "noise_floor_dbfs",
        "speech",
    }


def test_a_sound_at_the_very_end_has_an_end(tmp_path: Path, pipeline: Pipeline) -> None:
    """The end of the file ends the sound."""
    (result,) = replay(pipeline, [write(tmp_path, "a.wav", 2.0, 3.0)])
    assert onsets(result) == [2.0]
    assert result.sounds[0].end_s == pytest.approx(3.0, abs=0.1)


def test_a_file_that_is_no_audio_spoils_no_other(tmp_path: Path, pipeline: Pipeline) -> None:
    """What cannot be read is said at its place; the others are heard."""
    (tmp_path / "text.wav").write_text("not audio at all")
    (tmp_path / "empty.wav").write_bytes(b"")
    whole = write(tmp_path, "whole.wav", 2.0)
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole.read_bytes()[:150_000])
    files = [tmp_path / "text.wav", whole, tmp_path / "missing.wav", cut, tmp_path / "empty.wav"]
    results = list(replay(pipeline, files))
    assert [result.error is not None for result in results] == [True, False, True, True, True]
    assert [onsets(result) for result in results] == [[], [2.0], [], [2.0], []]
    assert all(str(result.file) in str(result.error) for result in results if result.error)


def test_a_rate_that_cannot_be_heard_is_said(tmp_path: Path, pipeline: Pipeline) -> None:
    """A file at 10 samples a second is refused, not resampled."""
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(100, np.float32), 10)
    (result,) = replay(pipeline, [path])
    assert "10 Hz" in str(result.error)


def test_the_same_file_twice_is_heard_twice(tmp_path: Path, pipeline: Pipeline) -> None:
    """A file may be named more than once."""
    path = write(tmp_path, "a.wav", 2.0)
    first, second = replay(pipeline, [path, path])
    assert first == second


def test_stopping_half_way_leaves_nothing_open(tmp_path: Path, pipeline: Pipeline) -> None:
    """Whoever stops taking results leaves no file and no stream open."""
    files = [write(tmp_path, f"{number}.wav", 1.0, 3.0 + number) for number in range(3)]
    results = replay(pipeline, files, side_by_side=2)
    next(results)
    results.close()  # type: ignore[attr-defined]  # a generator, promised as an iterator only
    assert pipeline.streams == ()
