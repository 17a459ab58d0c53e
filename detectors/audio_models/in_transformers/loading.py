"""From a folder as `save_pretrained` writes it to the model; every tensor is accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging as transformers_logging

from detectors.audio_models import LoadOptions
from detectors.audio_models.checkpoint import Safetensors
from detectors.audio_models.in_transformers.fewer_bits import shrink, shrinkable
from detectors.audio_models.in_transformers.kinds import KINDS
from detectors.audio_models.in_transformers.model import InTransformers
from detectors.audio_models.in_transformers.networks import (
    drop_eyes,
    empty_network,
    hearing_config,
    network_class,
)
from detectors.audio_models.in_transformers.processors import open_processor
from detectors.audio_models.memory_plan import MemoryPart
from detectors.audio_models.opening import read_config
from foundation.errors import ModelError


def load_in_transformers(folder: Path, load: LoadOptions) -> InTransformers:
    """Load the model."""
    torch.set_num_threads(load.threads)
    transformers_logging.disable_progress_bar()
    # Of what it would mention, some is refused here, and the rest was left out on purpose.
    transformers_logging.set_verbosity_error()
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
    drop_eyes(network)
    shrink(network, load)
    return network.to(load.device).eval().requires_grad_(requires_grad=False)


def counted_parts(config: Mapping[str, Any]) -> tuple[MemoryPart, ...]:
    """Return the size of each part of a network that has no weights, and of what it remembers."""
    network: Any = empty_network(config)
    matrices = shrinkable(network)
    whole = set(network._keep_in_fp32_modules_strict or ())  # noqa: SLF001 - it has no public name
    counted: set[int] = set()
    parts = []
    for name, module in _parts(network):
        own = {f"{name}.{inside}": weight for inside, weight in module.named_parameters()}
        own = {inside: weight for inside, weight in own.items() if id(weight) not in counted}
        counted |= {id(weight) for weight in own.values()}
        fixed = [weight.numel() for inside, weight in own.items() if whole & {*inside.split(".")}]
        packed = [matrix.weight for inside, matrix in matrices.items() if f"{inside}.weight" in own]
        part = MemoryPart(
            name=name.removeprefix("model."),
            parameters=sum(weight.numel() for weight in own.values()) - sum(fixed),
            needed_for="text",
            quantised_parameters=sum(weight.numel() for weight in packed),
            quantised_rows=sum(len(weight) for weight in packed),
        )
        always = replace(part, name=f"{part.name} in float32", parameters=sum(fixed), always_float32=True)
        parts += [each for each in (part, always) if each.parameters]
    return (*parts, _context_part(network))


def _parts(network: Any) -> list[tuple[str, torch.nn.Module]]:
    """Return the parts that a model's makers gave names, one level down where all is inside `model`."""
    parts: list[tuple[str, torch.nn.Module]] = []
    for name, child in network.named_children():
        inside = [(f"{name}.{own}", part) for own, part in child.named_children()]
        parts += inside if name == "model" else [(name, child)]
    return parts


def _context_part(network: Any) -> MemoryPart:
    """Return what it remembers of a conversation while it answers: a key and a value in each layer."""
    words = network.config.get_text_config()
    layers = network.get_decoder().layers
    own = layers[: len(layers) - getattr(words, "num_kv_shared_layers", 0)]
    per_position = sum(2 * layer.self_attn.k_proj.out_features for layer in own)
    return MemoryPart(name="1000 positions", parameters=1_000 * per_position, needed_for="text")
