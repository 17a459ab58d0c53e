"""`heard models pack`, and what `heard models plan` says before and after it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from daemon.cli import main
from tests.detectors.audio_models.tiny_mimo import write_mimo


def heard(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object
) -> tuple[int, str]:
    """Return a command's exit code and what it said."""
    monkeypatch.setattr(sys, "argv", ["heard", *map(str, words)])
    with pytest.raises(SystemExit) as leaving:
        main()
    said = capsys.readouterr()
    return int(leaving.value.code or 0), said.out + said.err


def test_a_model_is_packed_planned_and_not_packed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both figures of the plan, in words and as JSON; a limit that is too small ends with 1."""
    published, packed = write_mimo(tmp_path), tmp_path / "packed"
    code, said = heard(capsys, monkeypatch, "models", "plan", published, "--weights", "int4")
    assert (code, "once packed (`heard models pack`)" in said) == (0, True)

    code, said = heard(capsys, monkeypatch, "models", "pack", published, "--weights", "int4", "--to", packed)
    assert (code, "is ready" in said) == (0, True)
    code, said = heard(capsys, monkeypatch, "models", "pack", published, "--to", packed)
    assert (code, "is there already" in said) == (2, True)

    _, said = heard(capsys, monkeypatch, "models", "plan", packed, "--json")
    needs = json.loads(said)
    assert (needs["weights"], needs["packed"], needs["fits"]) == ("int4", True, True)
    between = (needs["least_bytes"] + needs["total_bytes"]) / 2e9
    code, said = heard(capsys, monkeypatch, "models", "plan", packed, "--memory-gb", between)
    assert (code, "it fits with `memory_gb:" in said) == (0, True)
    below = needs["least_bytes"] / 1e9 - 0.001
    code, said = heard(capsys, monkeypatch, "models", "plan", packed, "--memory-gb", below)
    assert (code, "it does not fit" in said) == (1, True)


def test_what_cannot_be_packed_is_the_owners_to_mend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bits that there are not, and a folder that is not there."""
    folder = tmp_path / "model"
    code, said = heard(capsys, monkeypatch, "models", "pack", folder, "--to", tmp_path / "packed")
    assert (code, "there is no such folder" in said) == (2, True)
    code, said = heard(capsys, monkeypatch, "models", "pack", folder, "--weights", "int2", "--to", "packed")
    assert (code, "int4 or int8" in said) == (2, True)
