"""The linear probe, small."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import linear_probe

if TYPE_CHECKING:
    from pathlib import Path


def test_json_has_the_figures_and_says_how_they_were_made(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Seven pitches are told apart by their log-mel."""
    linear_probe.main(f"--data {tiny_data} --encoder log_mel --json --results {tmp_path}".split())
    printed = json.loads(capsys.readouterr().out)
    assert printed["decisions"].keys() == {"loudest second", "whole clip"}
    for decision in printed["decisions"].values():
        assert decision["accuracy"]["value"] == 1.0
        assert 0 < decision["accuracy"]["low"] < 1
    assert printed["clips"] == {"fitted": 42, "all": 56}
    assert printed["test_fold"] == "4"


def test_labels_by_chance_are_told_by_chance() -> None:
    """Nothing of the test fold leaks into the fit: on noise, the accuracy is that of guessing."""
    rng = np.random.default_rng(0)
    labels = [f"class {number}" for number in rng.integers(0, 4, 400)]
    folds = [str(number) for number in rng.integers(1, 5, 400)]
    judgement = linear_probe.judge(rng.standard_normal((400, 30)).astype(np.float32), labels, folds, "4")
    assert judgement.accuracy.low < 0.25 < judgement.accuracy.high


def test_without_other_folds_there_is_nothing_to_fit(tiny_data: Path, tmp_path: Path) -> None:
    """Said, rather than fitted on what is tested."""
    with pytest.raises(SystemExit, match="at least two others"):
        linear_probe.main(f"--data {tiny_data} --where fold=4 --results {tmp_path}".split())
