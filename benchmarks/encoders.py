"""Encoders by the names that benchmarks take, and one without weights to compare them with."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.report import REPOSITORY, RESULTS, tell
from daemon.models.catalogue import MODELS, OfficialModel
from daemon.models.folder import ModelFolder
from daemon.models.pull import pull
from detectors.dsp import FRAMES_PER_HOP, MEL_OVERLAP_SAMPLES, N_MELS, log_mel
from detectors.encoders import Encoder, EncoderId
from detectors.encoders.builtin import BuiltinEncoder
from detectors.encoders.onnx_manifest import load_onnx_encoder
from detectors.encoders.yamnet import EVERY_HOPS, load_yamnet
from foundation.errors import OwnerError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.types import Samples

HELP = (
    "builtin, log_mel (no weights), a name of `heard models list` whose published file lies in "
    "$HEARD_SHARED/models, the manifest of an ONNX model, or YAMNet's .tflite file"
)

_FRAMES = 12 * FRAMES_PER_HOP  # the last 0.96 s


class LogMelStatistics:
    """Mean and spread of every mel band over the last second: what an encoder has to beat."""

    def __init__(self) -> None:
        recipe = f"mean and standard deviation of {_FRAMES} frames of {N_MELS} mels"
        self.id = EncoderId(name="log_mel", sha256=sha256(recipe.encode()).hexdigest(), dim=2 * N_MELS)

    def initial_state(self) -> NDArray[np.float32]:
        """Return a second of silence: the frames, then the audio that the next frames overlap."""
        silence = log_mel(np.zeros(MEL_OVERLAP_SAMPLES + 160, dtype=np.float32))
        return np.concatenate(
            [np.repeat(silence, _FRAMES, axis=0).ravel(), np.zeros(MEL_OVERLAP_SAMPLES)]
        ).astype(np.float32)

    def step(
        self, states: NDArray[np.float32], hops: Samples
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance each stream by one hop."""
        frames = states[:, : _FRAMES * N_MELS].reshape(-1, _FRAMES, N_MELS)
        audio = np.concatenate([states[:, _FRAMES * N_MELS :], hops], axis=1)
        frames = np.concatenate([frames[:, FRAMES_PER_HOP:], log_mel(audio)], axis=1)
        embeddings = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
        embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), np.float32(1e-9))
        tail = audio[:, -MEL_OVERLAP_SAMPLES:]
        return np.concatenate([frames.reshape(len(frames), -1), tail], axis=1), embeddings


def load_encoder(name: str, *, each_hop: bool = False) -> Encoder:
    """Return the encoder of this name or file, ready to step. Raises SystemExit if there is none.

    With `each_hop`, one that would rest between hops does not: what it can tell, whatever that costs.
    """
    every_hops = 1 if each_hop else None
    if name == "log_mel":
        return LogMelStatistics()
    try:
        if name == "builtin":
            return BuiltinEncoder()
        path = _pulled(MODELS[name]) if name in MODELS else Path(name)
        if path.suffix == ".tflite":
            return load_yamnet(path, every_hops=every_hops or EVERY_HOPS)
        return load_onnx_encoder(path, every_hops=every_hops)
    except OwnerError as error:
        raise SystemExit(str(error)) from error


def _pulled(model: OfficialModel) -> Path:
    """Make a published file of $HEARD_SHARED/models ready, once; return what its encoder is loaded from."""
    folder = ModelFolder(root=RESULTS / "models")
    if not folder.ready(model):
        published = Path(os.environ.get("HEARD_SHARED", REPOSITORY.parent / "shared")) / "models"
        file = published / ("yamnet.tflite" if model.kind == "yamnet" else model.file_name)
        pull(model, folder, from_file=file, progress=lambda _done, _total: None, say=tell)
    return folder.entry(model)
