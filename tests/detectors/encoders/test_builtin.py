"""The encoder that ships."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detectors.encoders.builtin import WEIGHTS, BuiltinEncoder
from detectors.types import HOP_SAMPLES
from foundation.errors import ModelError


@pytest.fixture(scope="module")
def encoder() -> BuiltinEncoder:
    return BuiltinEncoder()


def _noise(streams: int, hops: int) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (rng.standard_normal((streams, hops, HOP_SAMPLES)) * 0.1).astype(np.float32)


def test_weights_stay_small_enough_for_a_hub() -> None:
    """Four megabytes is the promise."""
    assert WEIGHTS.stat().st_size <= 4_000_000


def test_embeddings_are_unit_vectors(encoder: BuiltinEncoder) -> None:
    """Also for silence and for full-scale noise."""
    hops = np.stack([np.zeros(HOP_SAMPLES), np.sign(_noise(1, 1)[0, 0])]).astype(np.float32)
    states, embeddings = encoder.step(np.stack([encoder.initial_state()] * 2), hops)
    assert embeddings.shape == (2, encoder.id.dim)
    assert states.shape == (2, encoder.initial_state().size)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


def test_many_streams_in_one_call_equal_one_call_each(encoder: BuiltinEncoder) -> None:
    """Who else is in the batch changes nothing that a threshold could see."""
    audio = _noise(streams=7, hops=15)
    together = np.stack([encoder.initial_state()] * 7)
    alone = together.copy()
    for hop in range(15):
        together, batched = encoder.step(together, audio[:, hop])
        for stream in range(7):
            alone[stream : stream + 1], single = encoder.step(
                alone[stream : stream + 1], audio[stream : stream + 1, hop]
            )
            np.testing.assert_allclose(single[0], batched[stream], atol=2e-5)


def test_what_was_heard_two_seconds_ago_is_forgotten(encoder: BuiltinEncoder) -> None:
    """Memory is bounded: two streams that differ only long ago come to the same embedding."""
    audio = _noise(streams=2, hops=60)
    audio[1, 20:] = audio[0, 20:]
    states = np.stack([encoder.initial_state()] * 2)
    for hop in range(60):
        states, embeddings = encoder.step(states, audio[:, hop])
    np.testing.assert_allclose(embeddings[0], embeddings[1], atol=1e-4)


def test_importing_it_never_brings_torch() -> None:
    """The always-on path stays small."""
    code = (
        "import sys; from detectors.encoders.builtin import BuiltinEncoder; BuiltinEncoder(); "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


def test_damaged_weights_are_refused_by_name(tmp_path: Path) -> None:
    """A truncated file names itself."""
    damaged = tmp_path / "builtin.onnx"
    damaged.write_bytes(WEIGHTS.read_bytes()[:1_000])
    with pytest.raises(ModelError, match=r"builtin\.onnx"):
        BuiltinEncoder(damaged)
    with pytest.raises(ModelError, match="missing"):
        BuiltinEncoder(tmp_path / "missing.onnx")
