"""The student's lessons and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from training.augmentation import ROOM_SAMPLES
from training.curriculum import SCHOOLING, STUDY_SAMPLES
from training.distil import FEATURES, STUDENT, Batch, Lessons, Means, drawn_ahead, load_studies, train
from training.targets import TARGETS

MIXTURES = 200
SCHOOLING_FOR_TESTS = replace(SCHOOLING, batch=4, steps=6)


def work_folder(folder: Path) -> Path:
    """Write what the teachers would have said of noise, and rooms."""
    rng = np.random.default_rng(0)
    (folder / TARGETS).mkdir()
    np.savez(
        folder / TARGETS / "00000.npz",
        audio=(rng.standard_normal((MIXTURES, STUDY_SAMPLES)) * 3_000).astype(np.int16),
        mn04=rng.standard_normal((MIXTURES, FEATURES[0])).astype(np.float16),
        yamnet=rng.standard_normal((MIXTURES, FEATURES[1])).astype(np.float16),
        logits=rng.standard_normal((MIXTURES, 527)).astype(np.float16),
    )
    rooms = np.zeros((2, ROOM_SAMPLES), np.float32)
    rooms[:, 0] = 1.0
    np.save(folder / "rooms.npy", rooms)
    return folder


def drawn(folder: Path, workers: int) -> list[Batch]:
    """Draw five batches."""
    lessons = Lessons(SCHOOLING_FOR_TESTS, load_studies(folder / TARGETS), np.load(folder / "rooms.npy"))
    return list(drawn_ahead(lessons, 3, range(2, 7), workers))


def test_workers_draw_the_same_batches_in_the_same_order(tmp_path: Path) -> None:
    """How many hands there are changes nothing of what is studied."""
    folder = work_folder(tmp_path)
    for alone, together in zip(drawn(folder, 0), drawn(folder, 2), strict=True):
        for mine, theirs in zip(alone, together, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    """Checkpoints hold all there is."""
    torch.set_num_threads(1)
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
        work_folder(folder)
    train(whole, SCHOOLING_FOR_TESTS, 1, None, Means())
    train(stopped, replace(SCHOOLING_FOR_TESTS, steps=3), 1, None, Means())
    # Both have the same warm-up behind them: the rate does not know yet when it is to end.
    train(stopped, SCHOOLING_FOR_TESTS, 1, None, Means())
    first, second = (
        torch.load(folder / STUDENT, weights_only=True)["student"] for folder in (whole, stopped)
    )
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name])
