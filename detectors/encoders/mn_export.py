"""From the authors' checkpoint to the two files of an `onnx` encoder: needs torch, once, on any machine."""

from __future__ import annotations

import warnings
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import torch

from detectors.encoders.mn_network import MobileNet, load_mobile_net
from detectors.encoders.mn_variant import MnVariant
from detectors.encoders.onnx_manifest import (
    MANIFEST_NAME,
    InputManifest,
    Manifest,
    MelManifest,
    manifest_text,
)
from detectors.encoders.onnx_session import open_session
from detectors.encoders.torch_threads import one_thread
from foundation.atomic_file import write_atomically
from foundation.errors import ModelError

RATE_HZ: Final = 32_000
WINDOW_MS = 1_000
HOP_MS = 160
TOLERANCE = 1e-4

_INPUT, _EMBEDDING, _LOGITS = "log_mel", "embedding", "logits"


def export_mn(checkpoint: Path, name: str, variant: MnVariant, folder: Path, *, source: str) -> Path:
    """Write `name`.onnx and its manifest into `folder`; return the manifest's path.

    Raises ModelError if the checkpoint is of another network, or if ONNX Runtime disagrees with torch.
    """
    network = load_mobile_net(checkpoint, variant.width)
    weights = folder / f"{name}.onnx"
    with one_thread():
        content = _as_onnx(network, variant)
        difference = _difference(network, variant, content, weights)
    if difference > TOLERANCE:
        raise ModelError(f"{weights}: ONNX Runtime differs from torch by {difference:.1e}; it was not kept")
    mel = MelManifest(mels=variant.mels, hop_samples=RATE_HZ // 1_000 * variant.mel_hop_ms)
    manifest = Manifest(
        name=name,
        file=weights.name,
        sha256=sha256(content).hexdigest(),
        licence="MIT",
        source=source,
        rate_hz=RATE_HZ,
        window_ms=WINDOW_MS,
        hop_ms=HOP_MS,
        input=InputManifest(name=_INPUT, layout="log_mel", mel=mel),
        output=_EMBEDDING,
    )
    write_atomically(weights, content)
    path = folder / MANIFEST_NAME
    write_atomically(path, manifest_text(manifest).encode())
    return path


def _as_onnx(network: MobileNet, variant: MnVariant) -> bytes:
    """Trace the network, with any number of pictures of any length."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # torch would rather use its newer exporter, which needs another package; this one does all it takes.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(2, variant.mels, 100),),
            str(path),
            input_names=[_INPUT],
            output_names=[_EMBEDDING, _LOGITS],
            dynamic_axes={
                _INPUT: {0: "batch", 2: "frames"},
                _EMBEDDING: {0: "batch"},
                _LOGITS: {0: "batch"},
            },
            opset_version=17,
            dynamo=False,
        )
        return path.read_bytes()


def _difference(network: MobileNet, variant: MnVariant, content: bytes, path: Path) -> float:
    """Ask both about pictures of three lengths; return the largest difference of any number."""
    session = open_session(content, path, threads=1)
    rng = np.random.default_rng(0)
    worst = 0.0
    for frames in (40, 100, 300):
        pictures = rng.standard_normal((2, variant.mels, frames)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pictures))
        answers = session.run([_EMBEDDING, _LOGITS], {_INPUT: pictures})
        for answer, wanted in zip(answers, expected, strict=True):
            worst = max(worst, float(np.abs(answer - wanted.numpy()).max()))
    return worst
