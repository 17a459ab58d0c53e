"""From a folder as `save_pretrained` writes it to the model; every tensor is accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import Safetensors
from detectors.audio_models.in_transformers.kinds import KINDS
from detectors.audio_models.in_transformers.model import InTransformers
from detectors.audio_models.in_transformers.networks import empty_network, hearing_config, network_class
from detectors.audio_models.in_transformers.processors import open_processor
from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.opening import read_config
from foundation.errors import ModelError


def load_in_transformers(folder: Path, load: LoadOptions) -> InTransformers:
    """Load the model."""
    if load.weights != "full":
        raise ModelError(f"{folder}: `weights: {load.weights}` is not built for this model; `full` works")
    torch.set_num_threads(load.threads)
    transformers_logging.disable_progress_bar()
    model_type = read_config(folder)["model_type"]
    # It finds a file that is cut short before transformers does, and names the tensor.
    Safetensors(folder)
    network = _load_network(folder, model_type, load)
    kind = KINDS[model_type]
    return InTransformers(
        name=folder.name, kind=kind, network=network, processor=open_processor(folder, kind)
    )


def _load_network(folder: Path, model_type: str, load: LoadOptions) -> Any:
    config = hearing_config(read_config(folder))
    try:
        network, account = network_class(model_type).from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
            dtype=getattr(torch, load.dtype),
        )
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {error}") from error
    for name, *shapes in sorted(account["mismatched_keys"]):
        found, expected = (list(shape) for shape in shapes)
        raise ModelError(f"{folder}: {name} has shape {found}, its configuration says {expected}")
    for name in sorted(account["missing_keys"]):
        raise ModelError(f"{folder}: {name} is missing: cut short, or another model")
    left_out = KINDS[model_type].left_out
    for name in sorted(account["unexpected_keys"]):
        if not left_out or not re.fullmatch(left_out, name):
            raise ModelError(f"{folder}: {name} is not part of this model: another model, or a newer one")
    return network.to(load.device).eval().requires_grad_(requires_grad=False)


def counted_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the parameters of each part of a network that has no weights."""
    network = empty_network(config)
    parts = []
    seen: set[int] = set()
    for name, module in _parts(network):
        weights = [weight for weight in module.parameters() if id(weight) not in seen]
        seen |= {id(weight) for weight in weights}
        count = sum(weight.numel() for weight in weights)
        if count:
            parts.append(MemoryPart(name=name, parameters=count, needed_for="text"))
    return tuple(parts)


def _parts(network: torch.nn.Module) -> list[tuple[str, torch.nn.Module]]:
    """Return the parts that a model's makers gave names, one level down where all is inside `model`."""
    parts = []
    for name, child in network.named_children():
        parts += list(child.named_children()) if name == "model" else [(name, child)]
    return parts
