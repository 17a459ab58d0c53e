"""ONNX Runtime as heard uses it: few threads, none of them spinning, and faults that name the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from foundation.errors import ModelError


def open_session(content: bytes | None, path: Path, *, threads: int) -> Any:
    """Load a network; without `content` from the file itself, which may name another one with its weights.

    Raises ModelError, which names `path`, if ONNX Runtime cannot.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads burn a hub's core between hops.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content or str(path), options, providers=["CPUExecutionProvider"])
    except (
        failures.InvalidProtobuf,
        failures.InvalidGraph,
        failures.InvalidArgument,
        failures.NotImplemented,
        failures.Fail,
    ) as error:
        raise ModelError(f"{path}: not a network that ONNX Runtime can load: {error}") from error
