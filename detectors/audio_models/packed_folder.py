"""A folder of weights that were packed once: what is in it, and which files it falls into.

Its `config.json` is the published one with what stands under PACKED in addition. It is read without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from detectors.audio_models import LoadOptions
from foundation.errors import ModelError

PACKED = "heard_packed"
FORMAT = 1


def packed_by(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what a configuration says of how its folder was packed; None for one as its makers publish it.

    Raises ModelError for a newer format.
    """
    packed: Mapping[str, Any] | None = config.get(PACKED)
    if packed is not None and packed.get("format") != FORMAT:
        raise ModelError(f"packed in format {packed.get('format')}, and heard knows {FORMAT}: pack it anew")
    return packed


def as_packed(config: Mapping[str, Any], load: LoadOptions) -> LoadOptions:
    """Return `load` with the bits that a folder has. Raises ModelError where it cannot be loaded so."""
    packed = packed_by(config)
    if packed is None:
        if load.memory_bytes is not None:
            raise ModelError(
                "a limit on memory needs a packed folder, whose parts can be read one by one: "
                "`heard models pack FOLDER --to DIR` writes one"
            )
        return load
    if load.weights not in {"full", packed["weights"]}:
        raise ModelError(
            f"the folder is packed as {packed['weights']}, and cannot be loaded as {load.weights}"
        )
    if load.speech:
        raise ModelError("a packed folder has no speech parts: name the published one")
    if load.memory_bytes is not None and load.device != "cpu":
        raise ModelError("a limit on memory is for `device: cpu`")
    if load.memory_bytes is not None and load.dtype != packed["dtype"]:
        raise ModelError(
            f"a limit on memory is for `dtype: {packed['dtype']}`, in which the folder was packed"
        )
    return replace(load, weights=packed["weights"])
