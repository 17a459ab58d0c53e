"""`heard check` tells beforehand what the full audio model could not do."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from daemon.cli import main
from daemon.config import load_config
from tests.daemon.home import recording
from tests.detectors.audio_models.tiny_mimo import write_mimo


def checked(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **model: object
) -> str:
    """Return what `heard check` warns of."""
    recording(place / "yard.wav")
    (place / "rules.yaml").write_text(
        "- {id: say, triggers: [{trigger: sound, profile: speech}], actions: [{action: heard.describe}]}\n"
    )
    settings = {
        "state_dir": str(place / "state"),
        "streams": {"yard": {"source": "file", "path": "yard.wav", "realtime": False}},
        "stock_profiles": ["speech"],
        "rules": "rules.yaml",
        **({"audio_model": model} if model else {}),
    }
    path = place / "heard.yaml"
    path.write_text(yaml.safe_dump(settings))
    assert load_config(path).rules is not None
    monkeypatch.setattr("sys.argv", ["heard", "check", "--config", str(path)])
    with suppress(SystemExit):
        main()
    return capsys.readouterr().err


def test_a_rule_that_describes_needs_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without one its sounds would stay without words."""
    assert "no 'audio_model'" in checked(tmp_path, monkeypatch, capsys)


def test_a_model_that_fits_and_known_profiles_are_fine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is loaded for that."""
    folder = write_mimo(tmp_path / "models")
    assert not checked(tmp_path, monkeypatch, capsys, folder=str(folder), verify={"speech": {}})


def test_a_slip_in_a_profile_and_a_folder_of_something_else_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound under a wrong name would never be asked about."""
    told = checked(tmp_path, monkeypatch, capsys, folder=str(tmp_path), verify={"speach": {}})
    assert "did you mean 'speech'?" in told
    assert "no config.json" in told
