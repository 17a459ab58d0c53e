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
from detectors.encoders.onnx_session import open_session
from detectors.types import Samples
from foundation.errors import ModelError

WEIGHTS = Path(__file__).with_name("builtin.onnx")


class BuiltinEncoder:
    """Implements `Encoder`.

    A stream's state is the audio that the next mel frame overlaps, then the network's own numbers.
    """

    def __init__(self, weights: Path = WEIGHTS, *, threads: int = 1) -> None:
        try:
            content = weights.read_bytes()
        except OSError as error:
            raise ModelError(
                f"{weights}: the builtin encoder's weights cannot be read ({error.strerror}); reinstall heard"
            ) from error
        self._session = open_session(content, weights, threads=threads)
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
