"""YAMNet, from its official file through LiteRT."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from detectors.encoders.yamnet import WINDOW_SAMPLES, load_yamnet
from detectors.types import DETECTION_RATE_HZ, HOP_SAMPLES, Samples
from foundation.errors import ModelError
from tests.requirements import cannot_run


@pytest.fixture(scope="module")
def weights(shared: Path) -> Path:
    try:
        import ai_edge_litert  # noqa: F401 - only whether it is there
    except ImportError:
        cannot_run("LiteRT is not installed: pip install ai-edge-litert")
    return shared / "models" / "yamnet.tflite"


def _heard(weights: Path, audio: Samples, *, every_hops: int = 1) -> NDArray[np.float32]:
    encoder = load_yamnet(weights, every_hops=every_hops)
    states, embeddings = encoder.initial_state()[None], []
    for hop in audio[: len(audio) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES):
        states, embedding = encoder.step(states, hop[None])
        embeddings.append(embedding[0])
    return np.stack(embeddings)


def test_the_embedding_is_what_the_network_has_before_its_classes(weights: Path) -> None:
    """It equals the tensor that LiteRT keeps when asked to keep all."""
    from ai_edge_litert.interpreter import Interpreter

    rng = np.random.default_rng(0)
    audio = (rng.standard_normal(13 * HOP_SAMPLES) * 0.2).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # LiteRT warns that keeping all tensors costs memory
        keeper = Interpreter(model_path=str(weights), experimental_preserve_all_tensors=True)
    keeper.allocate_tensors()
    keeper.set_tensor(keeper.get_input_details()[0]["index"], audio[-WINDOW_SAMPLES:])
    keeper.invoke()
    (kept,) = (each for each in keeper.get_tensor_details() if each["name"].endswith("layer28/reduce_mean"))
    expected = keeper.get_tensor(kept["index"]).ravel().astype(np.float32) - kept["quantization"][1]
    expected /= np.linalg.norm(expected)
    np.testing.assert_allclose(_heard(weights, audio)[-1], expected, atol=1e-6)


def test_it_runs_each_sixth_hop_unless_told_otherwise(weights: Path) -> None:
    """Between, the last embedding stands; at its turns it says what it says when it runs each hop."""
    rng = np.random.default_rng(1)
    audio = (rng.standard_normal(13 * HOP_SAMPLES) * 0.2).astype(np.float32)
    each, sixth = _heard(weights, audio), _heard(weights, audio, every_hops=6)
    for hop in range(13):
        np.testing.assert_array_equal(sixth[hop], each[hop - hop % 6])


def test_sounds_of_a_class_lie_nearer_to_each_other_than_to_another_class(
    weights: Path, shared: Path
) -> None:
    """On real recordings: crying babies against chirping crickets or the like."""
    import csv

    with (shared / "audio" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "esc50"]
    means: dict[str, list[NDArray[np.float32]]] = {}
    for label in ("crying_baby", "siren"):
        for row in [row for row in rows if row["label"] == label][:4]:
            samples, rate_hz = soundfile.read(shared / "audio" / row["path"], dtype="float32")
            audio = soxr.resample(samples, rate_hz, DETECTION_RATE_HZ)
            mean = _heard(weights, audio, every_hops=6).mean(axis=0)
            means.setdefault(label, []).append(mean / np.linalg.norm(mean))
    babies, sirens = np.stack(means["crying_baby"]), np.stack(means["siren"])
    within = (babies @ babies.T)[np.triu_indices(4, 1)].mean()
    assert within > (babies @ sirens.T).mean() + 0.1


def test_another_file_is_refused_by_name(weights: Path, tmp_path: Path) -> None:
    """A missing file, a damaged one."""
    with pytest.raises(ModelError, match="heard models pull yamnet"):
        load_yamnet(tmp_path / "yamnet.tflite")
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(weights.read_bytes()[:5_000])
    with pytest.raises(ModelError, match=r"damaged\.tflite"):
        load_yamnet(damaged)
