"""Which matrices of a network fewer bits are for, counted beforehand and packed when they are loaded.

Those of the part that writes words. Ears stay as they are, as in the other families, and so does a head that
shares its table with the token embedding: packed, there would be two of them.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from detectors.audio_models import LoadOptions
from detectors.audio_models.memory_plan import GROUP
from detectors.audio_models.packed_linear import pack

_ROWS = 16


def shrinkable(network: Any) -> dict[str, nn.Linear]:
    """Return the matrices by their names; what four bits have no kernel for stays whole at eight, too."""
    words, head = network.get_decoder(), network.get_output_embeddings()
    shared = head.weight is network.get_input_embeddings().weight
    inside = {*words.modules(), *(() if shared else (head,))}
    return {
        name: module
        for name, module in network.named_modules()
        if module in inside
        and isinstance(module, nn.Linear)
        and not module.out_features % _ROWS
        and not module.in_features % GROUP
    }


def shrink(network: Any, load: LoadOptions) -> None:
    """Pack the matrices where they will be used, one after the other, so that only one is held twice."""
    if load.weights == "full":
        return
    for name, linear in shrinkable(network).items():
        parent, _, own = name.rpartition(".")
        setattr(network.get_submodule(parent), own, pack(linear.to(load.device), load.weights))
