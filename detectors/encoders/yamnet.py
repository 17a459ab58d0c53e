"""Google's YAMNet through LiteRT: the official TFLite file, and of it the embedding before the classes.

The file's one output is 521 class scores. The 1,024 numbers before the last layer are what a few examples can
teach from: they become the output in memory, by writing their tensor's number where the output's stands.
"""

from __future__ import annotations

import struct
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.encoders.windowed import WindowedEncoder, Windowing, WindowNetwork, windowed_id
from detectors.types import DETECTION_RATE_HZ, Samples
from foundation.errors import ModelError

WINDOW_SAMPLES = 15_600  # 0.975 s
EVERY_HOPS = 6  # 0.48 s, as its makers run it: 2 ms a window are 4 ms a second
DIM = 1_024

_EMBEDDING = "tower0/network/layer28/reduce_mean"
# In TFLite's schema: the field of a model that holds its graphs, and of a graph that holds its outputs.
_SUBGRAPHS, _OUTPUTS = 2, 2


def load_yamnet(path: Path, *, every_hops: int = EVERY_HOPS, threads: int = 1) -> WindowedEncoder:
    """Load the TFLite file at `path`. Raises ModelError where it cannot be, or is not YAMNet's."""
    content = _read(path)
    windowing = Windowing(rate_hz=DETECTION_RATE_HZ, window_samples=WINDOW_SAMPLES, every_hops=every_hops)
    identity = windowed_id("yamnet", windowing, DIM, sha256(content).hexdigest())
    return WindowedEncoder(_Yamnet(content, path, threads), windowing, identity)


def yamnet_windows(path: Path, *, threads: int = 1) -> WindowNetwork:
    """Load the TFLite file as a function of windows [n, WINDOW_SAMPLES]; raises as `load_yamnet` does."""
    return _Yamnet(_read(path), path, threads)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read ({error.strerror}); `heard models pull yamnet` fetches it"
        ) from error


class _Yamnet:
    """Windows of 0.975 s to embeddings, one after the other: the file takes one at a time."""

    def __init__(self, content: bytes, path: Path, threads: int) -> None:
        details = {each["name"]: each for each in _interpreter(content, path, threads).get_tensor_details()}
        embedding = details.get(_EMBEDDING)
        if embedding is None or embedding["shape"].tolist() != [1, 1, 1, DIM]:
            raise ModelError(f"{path}: this is not YAMNet's TFLite file, it has no {_EMBEDDING!r}")
        self._scale, self._zero = embedding["quantization"]
        self._interpreter = _interpreter(_with_output(content, embedding["index"]), path, threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def __call__(self, windows: Samples) -> NDArray[np.float32]:
        """Return one vector a window."""
        answers = np.empty((len(windows), DIM), np.float32)
        for row, window in enumerate(windows):
            self._interpreter.set_tensor(self._input, window)
            self._interpreter.invoke()
            answers[row] = self._interpreter.get_tensor(self._output).reshape(DIM)
        if self._scale:
            answers = (answers - np.float32(self._zero)) * np.float32(self._scale)
        return answers


def _interpreter(content: bytes, path: Path, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise ModelError(
            "YAMNet needs LiteRT, which is not installed; `pip install 'heard[litert]'` brings it"
        ) from error
    try:
        return Interpreter(model_content=content, num_threads=threads)
    except ValueError as error:
        raise ModelError(f"{path}: not a network that LiteRT can load: {error}") from error


def _with_output(content: bytes, tensor: int) -> bytes:
    """Make `tensor` the output of a TFLite file."""
    patched = bytearray(content)
    model = _at(patched, 0)
    graph = _at(patched, _vector(patched, model, _SUBGRAPHS))
    struct.pack_into("<i", patched, _vector(patched, graph, _OUTPUTS), tensor)
    return bytes(patched)


def _at(buffer: bytearray, place: int) -> int:
    """Follow the offset that stands at `place`."""
    (offset,) = struct.unpack_from("<I", buffer, place)
    return place + int(offset)


def _vector(buffer: bytearray, table: int, field: int) -> int:
    """Return where the first element of a table's vector stands, after its length."""
    (to_fields,) = struct.unpack_from("<i", buffer, table)
    (offset,) = struct.unpack_from("<H", buffer, table - to_fields + 4 + 2 * field)
    return _at(buffer, table + offset) + 4
