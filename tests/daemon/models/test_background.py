"""Another encoder from beginning to end: its background heard, a sound enrolled, the sound heard."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile
from onnx import TensorProto, helper

from daemon.cli import main
from detectors.encoders.onnx_manifest import InputManifest, Manifest, MelManifest, manifest_text
from detectors.types import DETECTION_RATE_HZ
from fewshot_profiles.background import bank_from_recordings
from foundation.errors import AudioFileError, ExampleError
from tests.detectors.audio_models.tiny_parts import write_whisper
from tests.encoders_for_tests import LogMelEncoder

MINUTES = 10.5


def _write(path: Path, seconds: float, *, seed: int = 0, tone_hz: float | None = None) -> Path:
    """Write noise whose level wanders, with a tone in its middle where told."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * DETECTION_RATE_HZ)) / DETECTION_RATE_HZ
    audio = rng.standard_normal(len(time_s)) * 0.003 * (1.2 + np.sin(time_s / 3))
    if tone_hz is not None:
        middle = np.abs(time_s - seconds / 2) < 0.4
        audio[middle] += 0.3 * np.sin(2 * np.pi * tone_hz * time_s[middle])
    soundfile.write(path, audio.astype(np.float32), DETECTION_RATE_HZ)
    return path


def _heard(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["heard", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def _manifest(folder: Path) -> Path:
    """Write the simplest network there is, the mean of each mel band, and its manifest."""
    graph = helper.make_graph(
        [helper.make_node("ReduceMean", ["mel"], ["embedding"], axes=[2], keepdims=0)],
        "bands",
        [helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["batch", 64, "frames"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", 64])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content = model.SerializeToString()
    (folder / "bands.onnx").write_bytes(content)
    picture = MelManifest(mels=64, fft_samples=512, window_samples=400, hop_samples=160, high_hz=7_500.0)
    manifest = Manifest(
        name="bands", file="bands.onnx", sha256=sha256(content).hexdigest(), licence="CC0-1.0", source="here",
        rate_hz=16_000, window_ms=320, hop_ms=320, output="embedding",
        input=InputManifest(name="mel", layout="log_mel", mel=picture),
    )  # fmt: skip
    path = folder / "bands.yaml"
    path.write_text(manifest_text(manifest), encoding="utf-8")
    return path


@pytest.mark.timeout(180)
def test_a_sound_is_taught_with_an_encoder_of_the_owners_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way there is told; then it is like the encoder that ships."""
    _manifest(tmp_path)
    config = tmp_path / "heard.yaml"
    config.write_text("state_dir: state\nencoder: bands.yaml\nstock_profiles: false\n", encoding="utf-8")
    here = ("--config", config)
    chimes = [_write(tmp_path / f"chime{n}.wav", 3, seed=n, tone_hz=1_000 + 20 * n) for n in range(3)]
    enroll = ("profiles", "enroll", "chime", *chimes, *here, "--json")
    assert _heard(monkeypatch, *enroll) == 2
    assert "`heard models background FILE…`" in capsys.readouterr().err
    hours = _write(tmp_path / "hours.flac", MINUTES * 60, seed=9)
    assert _heard(monkeypatch, "models", "background", hours, *here) == 0
    assert "10 minutes of background" in capsys.readouterr().out
    assert _heard(monkeypatch, *enroll) == 0
    assert json.loads(capsys.readouterr().out)["profile"] == "chime"
    assert _heard(monkeypatch, "profiles", "list", *here, "--json") == 0
    assert json.loads(capsys.readouterr().out)["encoder"].startswith("bands-")
    later = _write(tmp_path / "later.wav", 6, seed=20, tone_hz=1_030)
    assert _heard(monkeypatch, "replay", later, *here, "--json") == 0
    assert [json.loads(line)["profile"] for line in capsys.readouterr().out.splitlines()] == ["chime"]


@pytest.mark.timeout(180)
def test_a_sound_is_taught_with_the_ears_of_a_full_audio_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exported by one command, here from a Whisper with weights by chance; then an encoder like any other."""
    write_whisper(tmp_path / "whisper-tiny", width=32, bands=80)
    config = tmp_path / "heard.yaml"
    config.write_text("state_dir: state\n", encoding="utf-8")
    export = ("models", "export-encoder", tmp_path / "whisper-tiny", "--config", config, "--window-ms", 800)
    assert _heard(monkeypatch, *export, "--hop-ms", 160, "--json") == 0
    manifest = json.loads(capsys.readouterr().out)["manifest"]
    assert manifest == str(tmp_path / "state" / "models" / "whisper-tiny" / "manifest.yaml")
    config.write_text(f"state_dir: state\nencoder: {manifest}\nstock_profiles: false\n", encoding="utf-8")
    here = ("--config", config)
    hours = _write(tmp_path / "hours.flac", MINUTES * 60, seed=9)
    assert _heard(monkeypatch, "models", "background", hours, *here) == 0
    chimes = [_write(tmp_path / f"chime{n}.wav", 3, seed=n, tone_hz=1_000 + 20 * n) for n in range(3)]
    assert _heard(monkeypatch, "profiles", "enroll", "chime", *chimes, *here) == 0
    capsys.readouterr()
    later = _write(tmp_path / "later.wav", 6, seed=20, tone_hz=1_030)
    assert _heard(monkeypatch, "replay", later, *here, "--json") == 0
    assert [json.loads(line)["profile"] for line in capsys.readouterr().out.splitlines()] == ["chime"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("absent",), "there is no such folder"),
        ((".", "--hop-ms", 100), "each 80 ms or a multiple of it, not each 100 ms"),
        ((".", "--name", "My ears"), "no name for an encoder"),
        ((".",), "no config.json"),
    ],
)
def test_an_export_that_cannot_be_says_why(
    options: tuple[object, ...],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one line, with exit code 2."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heard.yaml").write_text("state_dir: state\n", encoding="utf-8")
    assert _heard(monkeypatch, "models", "export-encoder", *options, "--config", "heard.yaml") == 2
    assert reason in " ".join(capsys.readouterr().err.split())


def test_rows_say_which_piece_they_are_from(tmp_path: Path) -> None:
    """Pieces of half a minute, numbered through all files, so that a split never cuts one."""
    files = [_write(tmp_path / f"{n}.flac", 5.25 * 60, seed=n) for n in range(2)]
    bank = bank_from_recordings(LogMelEncoder(), files)
    assert bank.hours == pytest.approx(10.5 / 60, abs=1e-3)
    numbers, counts = np.unique(bank.recording, return_counts=True)
    assert numbers.tolist() == list(range(22))
    assert counts.max() == 47
    assert bank.ambient.all()


def test_too_little_background_is_refused(tmp_path: Path) -> None:
    """A threshold from a minute of sound would promise what it cannot know; what is no audio is named."""
    with pytest.raises(ExampleError, match=r"0\.5 minutes of background are too little"):
        bank_from_recordings(LogMelEncoder(), [_write(tmp_path / "short.wav", 30)])
    (tmp_path / "text.wav").write_text("no audio", encoding="utf-8")
    with pytest.raises(AudioFileError, match=r"text\.wav cannot be read as audio"):
        bank_from_recordings(LogMelEncoder(), [tmp_path / "text.wav"])
