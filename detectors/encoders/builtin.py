"""The encoder that ships: a causal convolutional network of half a million parameters, run by ONNX Runtime.

`builtin.md` beside the weights says what it was trained on and how to make it again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.dsp import MEL_OVERLAP_SAMPLES, log_mel
from detectors.encoders import EncoderId
from detectors.types import Samples
from foundation.errors import ModelError

WEIGHTS = Path(__file__).with_name("builtin.onnx")


class BuiltinEncoder:
    """Implements `Encoder`.

    A stream's state is the audio that the next mel frame overlaps, then the network's own numbers.
    """

    def __init__(self, weights: Path = WEIGHTS, *, threads: int = 1) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as failures

        try:
            content = weights.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{weights}: the builtin encoder's weights cannot be read ({error.strerror}); reinstall heard"
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads burn a hub's core between hops.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except (
            failures.InvalidProtobuf,
            failures.InvalidGraph,
            failures.InvalidArgument,
            failures.NotImplemented,
            failures.Fail,
        ) as error:
            raise ModelError(f"{weights}: not a network that ONNX Runtime can load: {error}") from error
        self._network_state = int(self._session.get_inputs()[1].shape[1])
        self._id = EncoderId(
            name="builtin",
            sha256=hashlib.sha256(content).hexdigest(),
            dim=int(self._session.get_outputs()[0].shape[1]),
        )

    @property
    def id(self) -> EncoderId:
        """The identity that profiles store with their numbers."""
        return self._id

    def initial_state(self) -> NDArray[np.float32]:
        """Return the state of a stream that has heard nothing yet."""
        return np.zeros(MEL_OVERLAP_SAMPLES + self._network_state, np.float32)

    def step(
        self, states: NDArray[np.float32], hops: Samples
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Advance each stream by one hop; see `Encoder.step`."""
        audio = np.concatenate((states[:, :MEL_OVERLAP_SAMPLES], hops), axis=1)
        embeddings, network_states = self._session.run(
            None, {"mel": log_mel(audio), "state": states[:, MEL_OVERLAP_SAMPLES:]}
        )
        return np.concatenate((audio[:, -MEL_OVERLAP_SAMPLES:], network_states), axis=1), embeddings
