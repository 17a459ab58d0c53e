"""What a full audio model costs: the bookkeeping, not the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import audio_model
from benchmarks.audio_model import token_bytes
from detectors.audio_models import LoadOptions
from detectors.audio_models.mimo.config import LanguageConfig


def test_every_figure_is_there(tmp_path: Path) -> None:
    """Narrow layers, in eight bits, two sizes of batch."""
    options = f"--tiny --encoder-layers 1 --weights int8 --batch 1 --batch 2 --results {tmp_path}"
    result = audio_model.main(options.split())
    assert result["scored"].keys() == {"1", "2"}
    assert result["first_token_s"] > 0
    assert 0 < result["floor_over_measured"] < 1
    assert (tmp_path / "audio_model.json").is_file()


def test_out_of_a_packed_folder_memory_is_told_by_part(tmp_path: Path) -> None:
    """Written at the first run, and only read at the second."""
    packed = tmp_path / "packed"
    options = f"--tiny --encoder-layers 1 --weights int4 --packed {packed} --tokens 3 --results {tmp_path}"
    written = audio_model.main(options.split())
    assert audio_model.main(options.split())["resident_parts"].keys() == written["resident_parts"].keys()
    assert written["resident_parts"].keys() == {"layer", "embedding", "head", "hearing", "rest"}


def test_a_token_needs_the_backbone_and_the_head() -> None:
    """14 GB of bfloat16 at the published size."""
    assert token_bytes(LanguageConfig(), LoadOptions()) / 1e9 == pytest.approx(14.0, abs=0.05)
