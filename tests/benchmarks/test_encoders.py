"""Encoders by the names that benchmarks take."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import encoders
from tests.requirements import cannot_run


def test_a_published_file_beside_the_recordings_is_made_ready(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verified as `heard models pull` does; with `each_hop` it is another encoder, which never rests."""
    try:
        import ai_edge_litert  # noqa: F401 - only whether it is there
    except ImportError:
        cannot_run("LiteRT is not installed: pip install ai-edge-litert")
    monkeypatch.setattr(encoders, "RESULTS", tmp_path)
    monkeypatch.setenv("HEARD_SHARED", str(shared))
    resting = encoders.load_encoder("yamnet")
    assert resting.id.name == "yamnet"
    assert (tmp_path / "models" / "yamnet" / "yamnet.tflite").is_file()
    assert encoders.load_encoder("yamnet", each_hop=True).id != resting.id


def test_a_model_that_is_not_there_ends_the_benchmark_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is named; so is a manifest that is not there."""
    monkeypatch.setattr(encoders, "RESULTS", tmp_path)
    monkeypatch.setenv("HEARD_SHARED", str(tmp_path))
    with pytest.raises(SystemExit, match=r"mn05_as_mAP_443\.pt: No such file"):
        encoders.load_encoder("mn05")
    with pytest.raises(SystemExit, match=r"absent\.yaml"):
        encoders.load_encoder(str(tmp_path / "absent.yaml"))
