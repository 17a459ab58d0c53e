"""Encoders that a manifest describes: what is refused and why, and that the rest is heard as described."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from detectors.encoders.onnx_manifest import (
    InputManifest,
    Manifest,
    MelManifest,
    load_onnx_encoder,
    manifest_text,
)
from detectors.types import HOP_SAMPLES
from foundation.errors import ManifestError, ModelError

WINDOW = 3_200


def _network(path: Path, shape: list[int | str], *, dims: int = 5) -> str:
    """Write a network that multiplies its flattened input by a fixed matrix; return its sha256."""
    size = int(np.prod([side for side in shape[1:] if isinstance(side, int)]))
    matrix = np.random.default_rng(4).standard_normal((size, dims)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["audio"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "matrix"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("audio", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [shape[0], dims])],
        [numpy_helper.from_array(matrix, "matrix")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return sha256(path.read_bytes()).hexdigest()


def _manifest(folder: Path, **changes: object) -> Path:
    digest = _network(folder / "net.onnx", ["batch", WINDOW])
    lines: dict[str, object] = {
        "name": "net",
        "file": "net.onnx",
        "sha256": digest,
        "licence": "CC0-1.0",
        "source": "made for this test",
        "rate_hz": 16_000,
        "window_ms": 200,
        "hop_ms": 80,
        "input": "{name: audio, layout: waveform}",
        "output": "embedding",
    } | changes
    path = folder / "net.yaml"
    text = "".join(f"{key}: {value}\n" for key, value in lines.items() if value is not None)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_waveform_network_gives_its_own_numbers_at_unit_length(tmp_path: Path) -> None:
    """The window is the last 200 ms; two streams in one call are two rows."""
    encoder = load_onnx_encoder(_manifest(tmp_path))
    audio = np.random.default_rng(0).standard_normal((2, 3 * HOP_SAMPLES)).astype(np.float32) * 0.1
    states = np.stack([encoder.initial_state()] * 2)
    for hop in range(3):
        states, embeddings = encoder.step(states, audio[:, hop * HOP_SAMPLES : (hop + 1) * HOP_SAMPLES])
    matrix = np.random.default_rng(4).standard_normal((WINDOW, 5)).astype(np.float32)
    expected = audio[:, -WINDOW:] @ matrix
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert encoder.id.dim == 5
    np.testing.assert_allclose(embeddings, expected, atol=1e-4)


def test_a_network_that_takes_one_window_at_a_time_is_called_for_each(tmp_path: Path) -> None:
    """A fixed batch of one is common; the answer is the same."""
    free = load_onnx_encoder(_manifest(tmp_path))
    (tmp_path / "fixed").mkdir()
    digest = _network(tmp_path / "fixed" / "one.onnx", [1, WINDOW])
    fixed = load_onnx_encoder(_manifest(tmp_path / "fixed", file="one.onnx", sha256=digest))
    hops = np.random.default_rng(0).standard_normal((3, HOP_SAMPLES)).astype(np.float32)
    states = np.stack([free.initial_state()] * 3)
    np.testing.assert_allclose(fixed.step(states, hops)[1], free.step(states, hops)[1], atol=1e-5)


def test_a_log_mel_network_gets_the_picture_that_the_manifest_describes(tmp_path: Path) -> None:
    """With a channel where the network has one."""
    digest = _network(tmp_path / "mel.onnx", ["batch", 1, 40, 20])
    encoder = load_onnx_encoder(
        _manifest(
            tmp_path,
            file="mel.onnx",
            sha256=digest,
            rate_hz=32_000,
            input="{name: audio, layout: log_mel, mel: {mels: 40}}",
        )
    )
    hops = np.random.default_rng(0).standard_normal((2, HOP_SAMPLES)).astype(np.float32)
    _, embeddings = encoder.step(np.stack([encoder.initial_state()] * 2), hops)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        ({"sha256": "0" * 64}, "net.yaml:3:9", "it is damaged or another file"),
        ({"sha256": "abc"}, "net.yaml:3:9", "expected text that matches"),
        ({"file": "absent.onnx"}, "net.yaml:2:7", "cannot be read: No such file"),
        ({"licence": None}, "net.yaml:1:1", "'licence' is missing"),
        ({"rate": 16_000}, "net.yaml:11:1", "unknown key 'rate'; did you mean 'rate_hz'?"),
        ({"rate_hz": 44_100}, "net.yaml:6:10", "expected 16000, 24000, 32000 or 48000"),
        ({"hop_ms": 100}, "net.yaml:8:9", "multiple of 80"),
        ({"window_ms": 300}, "net.yaml:9:8", "does not take what the manifest says"),
        ({"output": "logits"}, "net.yaml:10:9", "the network's outputs are 'embedding'"),
        ({"input": "{name: x, layout: waveform}"}, "net.yaml:9:15", "the network's inputs are 'audio'"),
        ({"input": "{name: audio, layout: mfcc}"}, "net.yaml:9:30", "expected 'waveform' or 'log_mel'"),
        ({"input": "{name: audio, layout: waveform, mel: {}}"}, "net.yaml:9:8", "'mel' has no meaning"),
        ({"input": "{name: audio, layout: log_mel}"}, "net.yaml:9:8", "at most half of 'rate_hz'"),
    ],
)
def test_a_bad_manifest_is_refused_with_place_and_reason(
    tmp_path: Path, changes: dict[str, object], place: str, message: str
) -> None:
    """File, line, column, and what was expected; as a ModelError, which ends a command with exit code 2."""
    with pytest.raises(ManifestError) as refused:
        load_onnx_encoder(_manifest(tmp_path, **changes))
    assert isinstance(refused.value, ModelError)
    assert place in str(refused.value)
    assert message in str(refused.value)


def test_a_file_that_is_no_network_is_refused(tmp_path: Path) -> None:
    """Its sha256 may be right all the same."""
    (tmp_path / "text.onnx").write_text("no network", encoding="utf-8")
    digest = sha256(b"no network").hexdigest()
    with pytest.raises(ManifestError, match="not a network that ONNX Runtime can load"):
        load_onnx_encoder(_manifest(tmp_path, file="text.onnx", sha256=digest))


def test_a_manifest_that_heard_wrote_reads_back(tmp_path: Path) -> None:
    """Every value survives the way through YAML, small floors included."""
    digest = _network(tmp_path / "mel.onnx", ["batch", 40, 20])
    manifest = Manifest(
        name="mel", file="mel.onnx", sha256=digest, licence="MIT", source="here: a test", rate_hz=32_000,
        window_ms=200, hop_ms=160, output="embedding",
        input=InputManifest(name="audio", layout="log_mel", mel=MelManifest(mels=40, floor=1e-5)),
    )  # fmt: skip
    (tmp_path / "mel.yaml").write_text(manifest_text(manifest), encoding="utf-8")
    encoder = load_onnx_encoder(tmp_path / "mel.yaml")
    assert encoder.id.name == "mel"
    assert encoder.id == load_onnx_encoder(tmp_path / "mel.yaml", every_hops=2).id
    assert encoder.id != load_onnx_encoder(tmp_path / "mel.yaml", every_hops=1).id
    # The interpolation's tail, 720 samples that the next frames begin with, 19 finished frames, the rest.
    assert encoder.initial_state().size == 63 + 720 + 19 * 40 + 5 + 1
