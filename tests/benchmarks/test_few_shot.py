"""The few-shot benchmark, small: its shape and its promises, not its figures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks import few_shot
from benchmarks.encoders import LogMelStatistics
from detectors.types import HOP_SAMPLES
from fewshot_profiles.embedding import ClipEmbeddings

if TYPE_CHECKING:
    from pathlib import Path


def test_json_has_the_figures_and_says_how_they_were_made(
    tiny_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readers find five_way at the top, and machine, commit, data, rows and command below."""
    results = tmp_path / "results"
    arguments = (
        f"--data {tiny_data} --where split=novel --encoder log_mel --episodes 20 --json --results {results}"
    )
    few_shot.main(arguments.split())
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((results / "few_shot.json").read_text())
    for key in ("five_way", "five_way_source_disjoint"):
        assert printed[key].keys() == {"1", "5"}
        assert all(figure.keys() == {"mean", "ci95"} for figure in printed[key].values())
    assert printed["five_way"]["5"]["mean"] > 0.9
    assert printed["clips"] == 48
    assert printed["encoder"]["name"] == "log_mel"
    made_from = printed["environment"]
    assert made_from["data"] == "tiny"
    assert made_from["where"] == ["split=novel"]
    assert {"cpu", "cores", "commit", "date", "command"} <= made_from.keys()


def test_too_few_clips_end_with_the_reason(tiny_data: Path, tmp_path: Path) -> None:
    """Two classes are no 5-way task."""
    arguments = (
        f"--data {tiny_data} --where label=tone0 --where label=tone1 --encoder log_mel --results {tmp_path}"
    )
    with pytest.raises(SystemExit, match="needs 5 classes"):
        few_shot.main(arguments.split())


def test_the_loudest_second_is_decided_at_its_end() -> None:
    """A burst of twelve hops after silence: the decision is the one at its last hop."""
    levels = np.full(40, -90.0, dtype=np.float32)
    levels[10:22] = -20.0
    clip = ClipEmbeddings(hops=np.eye(40, dtype=np.float32), level_dbfs=levels)
    assert few_shot.loudest_second(clip).argmax() == 21


def test_the_baseline_without_weights_streams_like_an_encoder() -> None:
    """Two streams in one call give what each gives alone, in unit vectors."""
    encoder = LogMelStatistics()
    hops = np.random.default_rng(2).normal(0, 0.1, (2, HOP_SAMPLES)).astype(np.float32)
    state = encoder.initial_state()
    states, together = encoder.step(np.stack([state, state]), hops)
    _, alone = encoder.step(state[None], hops[1:])
    np.testing.assert_allclose(together[1], alone[0], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, rtol=1e-5)
    assert states.shape == (2, state.size)
